/* What the daemon and its tool host read from each other: a message is taken whole and sound, or
 * not at all. */
#include <assert.h>
#include <signal.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tools/host.h"
#include "tools/sandbox.h"

/* Each flag is looked at as the daemon does: one that is no bool is what the sanitizer is for. */
static size_t count_flags(const struct sandbox_support *s)
{
	const bool flags[] = {
	    s->user_ns, s->pid_ns, s->net_ns, s->proc, s->seccomp, s->broker, s->keep_power};
	size_t n = 0;

	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
		n += flags[i];
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct host_message m = {.id = 4711};
	char text[4096];

	if (!host_message_take(data, size, &m)) {
		assert(m.id == 4711 && m.op == 0);
		return 0;
	}
	assert(size == sizeof m && m.op >= HOST_HELLO && m.op <= HOST_ENDED);
	assert(count_flags(&m.support) <= 7);
	assert(m.op != HOST_SIGNAL || (m.signum > 0 && m.signum < NSIG));
	assert(m.op != HOST_START || m.network <= 1);
	sandbox_missing(&m.support, text, sizeof text);
	assert(strlen(text) < sizeof text);
	/* What was taken is taken again. */
	assert(host_message_take(&m, sizeof m, &m));
	return 0;
}
