/* The layers together, capabilities, and what this kernel has; capabilities(7). */
#include "tools/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/str.h"
#include "tools/broker.h"
#include "tools/filter.h"
#include "tools/landlock.h"
#include "tools/mounts.h"

int sandbox_drop_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}, {0}};

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (int cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	return syscall(SYS_capset, &head, none) == 0 ? 0 : -errno;
}

int sandbox_enter(const struct sandbox_opts *o, int *ret_listener, struct err *reterr)
{
	bool harmless = o->own_code && !o->outside && o->workspace &&
			!(o->hidden && (mounts_within(o->hidden, o->workspace) ||
					   mounts_within(o->workspace, o->hidden)));
	int rc;

	if (!o->support->landlock && !o->mounts && !harmless)
		return err_set(reterr, -ENOSYS,
		    "this system has neither Landlock nor namespaces, so nothing would keep it "
		    "from opta's own directory");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return err_set(reterr, -errno, "no_new_privs was refused: %s", strerror(errno));
	rc = landlock_enter(o, reterr);
	if (rc != 0)
		return rc;
	rc = o->support->keep_power ? 0 : sandbox_drop_capabilities();
	if (rc != 0)
		return err_set(reterr, rc, "capabilities could not be dropped: %s", strerror(-rc));
	if (o->broker && !broker_start(o->broker))
		return err_set(reterr, -EAGAIN, "no process for its sockets could be had");
	return filter_enter(o, ret_listener, reterr);
}

/* --- what there is --- */

/* In a child with these namespaces: can the view of a tool be made in them? */
static bool make_view(unsigned long flags, unsigned uid, unsigned gid, bool proc)
{
	/* As the workspace any directory does. */
	return (!(flags & CLONE_NEWUSER) || mounts_map_user(uid, gid) == 0) &&
	       mounts_make(&(struct mounts_opts){.workspace = "/usr", .proc = proc}, NULL) == 0 &&
	       (!proc || mounts_seal_proc(NULL) == 0);
}

/*
 * Can a child be made with these namespaces, and has it power in them? Some systems give a
 * user namespace in which nothing may be mounted; older kernels lack a call we need.
 */
static bool try_namespaces(unsigned long flags, bool *ret_proc)
{
	unsigned uid = (unsigned)getuid(), gid = (unsigned)getgid();

	for (int proc = 1; proc >= 0; proc--) {
		int status;
		pid_t pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);

		if (pid < 0)
			return false;
		if (pid == 0)
			_exit(make_view(flags, uid, gid, proc) ? 0 : 1);
		*ret_proc = proc;
		if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
		    WEXITSTATUS(status) == 0)
			return true;
	}
	return false;
}

#ifdef OPTA_LAYERS
const char *const sandbox_layers[] = {
    "landlock", "seccomp", "namespaces", "proc", "network", "capabilities", "broker", NULL};

/* The layer is named in OPTA_SANDBOX_OFF. */
static bool layer_off(const char *name)
{
	const char *off = getenv("OPTA_SANDBOX_OFF");
	struct str rest = str_of(off ? off : ""), one;

	while (rest.n) {
		rest = str_cut(rest, ',', &one);
		if (str_eq(one, name))
			return true;
	}
	return false;
}

static void switch_off(struct sandbox_support *s)
{
	if (layer_off("landlock"))
		s->landlock = 0;
	s->seccomp = s->seccomp && !layer_off("seccomp");
	if (layer_off("namespaces"))
		s->user_ns = s->pid_ns = s->net_ns = s->proc = false;
	s->proc = s->proc && !layer_off("proc");
	s->net_ns = s->net_ns && !layer_off("network");
	s->broker = s->broker && !layer_off("broker");
	s->keep_power = layer_off("capabilities");
}
#else
static void switch_off(struct sandbox_support *s)
{
}
#endif

void sandbox_probe(struct sandbox_support *ret)
{
	const unsigned long flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC;
	unsigned long user = 0;
	bool proc;

	*ret = (struct sandbox_support){.landlock = landlock_version()};
	ret->pid_ns = try_namespaces(flags, &ret->proc);
	if (!ret->pid_ns) {
		user = CLONE_NEWUSER;
		ret->user_ns = ret->pid_ns = try_namespaces(flags | user, &ret->proc);
	}
	if (ret->pid_ns)
		ret->net_ns = try_namespaces(flags | user | CLONE_NEWNET, &proc);
	ret->seccomp = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
	ret->broker = ret->seccomp && broker_possible();
	switch_off(ret);
	/* It names sockets by /proc; without namespaces there is the system's. */
	ret->broker = ret->broker && ret->seccomp && (ret->proc || !ret->pid_ns);
}

void sandbox_missing(const struct sandbox_support *s, char *out, size_t size)
{
	const struct {
		bool missing;
		const char *text;
	} pieces[] = {
	    {!s->landlock && !s->pid_ns, "Landlock and namespaces: commands are refused, and so is "
					 "every path outside the workspace"},
	    {!s->landlock && s->pid_ns,
		"Landlock: files outside the workspace are protected by namespaces alone"},
	    {s->landlock > 0 && s->landlock < 4,
		"Landlock TCP rules (kernel 6.7): commands with network can reach the daemon's "
		"port (not its token)"},
	    {s->landlock < 6 && s->broker,
		"Landlock scopes (kernel 6.12): commands with network have no abstract sockets"},
	    {s->landlock && !s->pid_ns,
		"namespaces: a tool's processes are found and killed one by one, it can change "
		"the hooks and the configuration of the workspace's repository, it shares "
		"/proc, can change modes and times of other files, and has no terminals"},
	    {s->pid_ns && !s->proc, "a fresh /proc: tools have none"},
	    {s->landlock > 0 && s->landlock < 6 && !s->pid_ns,
		"Landlock scopes (kernel 6.12): commands can signal other processes"},
	    {s->pid_ns && !s->net_ns,
		"network namespaces: tools.network=false is enforced by seccomp alone"},
	    {s->pid_ns && !s->broker,
		"seccomp's user notification and pidfd_getfd (kernel 5.6): commands have no Unix "
		"sockets but pairs"},
	    {!s->seccomp, "seccomp: dangerous system calls are not filtered"},
	};
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++)
		if (pieces[i].missing && n < size)
			n += (size_t)snprintf(out + n, size - n, "%s\n", pieces[i].text);
}
