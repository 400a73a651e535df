/* Where opta keeps things. */
#include "base/paths.h"

#include <errno.h>
#include <pwd.h>
#include <unistd.h>

#include "base/err.h"

/* The longest name we append to home. */
enum { PATHS_LONGEST_TAIL = 32 };

static const char *set_env(const char *name)
{
	const char *value = getenv(name);

	return value && value[0] ? value : NULL;
}

static int find_home(char *out, size_t size, struct err *reterr)
{
	const char *opta = set_env("OPTA_HOME"), *xdg = set_env("XDG_CONFIG_HOME");
	const char *home = set_env("HOME"), *tail = "", *from = "OPTA_HOME";
	struct passwd *pw;
	int n;

	/* The XDG specification says a relative XDG_CONFIG_HOME is to be ignored. */
	if (opta) {
		home = opta;
	} else if (xdg && xdg[0] == '/') {
		home = xdg;
		tail = "/opta";
		from = "XDG_CONFIG_HOME";
	} else {
		tail = "/.config/opta";
		from = "HOME";
		if (!home) {
			pw = getpwuid(getuid());
			home = pw ? pw->pw_dir : NULL;
		}
	}
	if (!home)
		return err_set(reterr, -EINVAL,
		    "no home directory: set HOME, or OPTA_HOME to the directory opta may use");
	if (home[0] != '/')
		return err_set(
		    reterr, -EINVAL, "%s must be an absolute path, it is \"%s\"", from, home);
	n = snprintf(out, size, "%s%s", home, tail);
	if (n < 0 || (size_t)n >= size - PATHS_LONGEST_TAIL)
		return err_set(reterr, -EINVAL, "%s is too long (%d bytes; at most %d)", from, n,
		    (int)size - PATHS_LONGEST_TAIL - 1);
	while (n > 1 && out[n - 1] == '/')
		out[--n] = '\0';
	return 0;
}

static void join(char out[PATHS_MAX], const char *home, const char *tail)
{
	snprintf(out, PATHS_MAX, "%.*s/%s", PATHS_MAX - PATHS_LONGEST_TAIL - 1, home, tail);
}

int paths_init(struct paths *p, struct err *reterr)
{
	int rc = find_home(p->home, sizeof p->home, reterr);

	if (rc != 0)
		return rc;
	join(p->config, p->home, "config.json");
	join(p->daemon_dir, p->home, "daemon");
	join(p->state, p->home, "daemon/state.json");
	join(p->log, p->home, "daemon/daemon.log");
	join(p->daemon_lock, p->home, "daemon/daemon.lock");
	join(p->start_lock, p->home, "start.lock");
	join(p->sessions_dir, p->home, "sessions");
	join(p->sessions_lock, p->home, "sessions/lock");
	join(p->database, p->home, "sessions/opta.db");
	return 0;
}
