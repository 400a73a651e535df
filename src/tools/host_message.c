/* What daemon and tool host say to each other. */
#include <signal.h>
#include <string.h>

#include "tools/host.h"

enum { HOST_MAX_ABI = 1000 };

/* A bool that is neither is no bool: looking at it is undefined. */
static bool host_flags_ok(const unsigned char *support)
{
	static const size_t flags[] = {offsetof(struct sandbox_support, user_ns),
	    offsetof(struct sandbox_support, pid_ns), offsetof(struct sandbox_support, net_ns),
	    offsetof(struct sandbox_support, proc), offsetof(struct sandbox_support, seccomp),
	    offsetof(struct sandbox_support, broker),
	    offsetof(struct sandbox_support, control_group),
	    offsetof(struct sandbox_support, keep_power)};

	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
		if (support[flags[i]] > 1)
			return false;
	return true;
}

bool host_message_take(const void *bytes, size_t n, struct host_message *ret)
{
	struct host_message m;

	if (n != sizeof m ||
	    !host_flags_ok((const unsigned char *)bytes + offsetof(struct host_message, support)))
		return false;
	memcpy(&m, bytes, sizeof m);
	switch (m.op) {
	case HOST_HELLO:
		if (m.support.landlock < 0 || m.support.landlock > HOST_MAX_ABI)
			return false;
		break;
	case HOST_START:
		if (m.network > 1)
			return false;
		break;
	case HOST_SIGNAL:
		if (m.signum <= 0 || m.signum >= NSIG)
			return false;
		break;
	case HOST_STARTED:
	case HOST_ENDED:
		break;
	default:
		return false;
	}
	*ret = m;
	return true;
}
