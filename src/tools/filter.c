/* Which calls of the kernel a tool may make; seccomp(2). */
#include "tools/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "tools/sandbox.h"

#define FILTER_WAIT_KILLABLE (1U << 5) /* Linux 5.19 */

enum { FILTER_MAX_RULES = 4096 }; /* BPF_MAXINSNS */

/* Of no use to a tool, and each the way out of some sandbox once. */
static const char *const denied[] = {"mount", "umount", "umount2", "pivot_root", "move_mount",
    "open_tree", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "setns", "bpf",
    "keyctl", "add_key", "request_key", "kexec_load", "kexec_file_load", "init_module",
    "finit_module", "delete_module", "reboot", "swapon", "swapoff", "perf_event_open",
    "userfaultfd", "open_by_handle_at", "quotactl", "acct", "syslog", "iopl", "ioperm",
    "clock_settime", "clock_adjtime", "settimeofday", "adjtimex", "stime", "chroot", "vhangup",
    "sethostname", "setdomainname", "nfsservctl", "lookup_dcookie", NULL};

/* Programs ask for these and do well without: "not there" sends them the older way. */
static const char *const absent[] = {
    "io_uring_setup", "io_uring_enter", "io_uring_register", "clone3", NULL};

/* Pages that no figure of a process shows: a pipe's that were given to it, and files in memory that
   only descriptors on their way may hold. */
static const char *const uncounted[] = {"vmsplice", "memfd_secret", NULL};

static const char *const lasting[] = {"shmget", "semget", "msgget", "mq_open", NULL};

static const char *const tracing[] = {
    "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", NULL};

/* An attribute's name lies in memory, and one of them is a file's capabilities. Programs know
   filesystems that have none. */
static const char *const attributes[] = {"setxattr", "lsetxattr", "fsetxattr", "setxattrat", NULL};

/* The number of a call, also of one that is younger than the library. */
static int filter_call_number(const char *name)
{
	static const struct {
		const char *name;
		int nr;
	} young[] = {{"memfd_secret", 447}, {"fchmodat2", 452}, {"setxattrat", 463}};
	int nr = seccomp_syscall_resolve_name(name);

	/* From 424 on a call has one number on all machines. */
	for (size_t i = 0; nr == __NR_SCMP_ERROR && i < sizeof young / sizeof young[0]; i++)
		if (strcmp(name, young[i].name) == 0)
			return young[i].nr;
	return nr;
}

static int filter_deny_all(scmp_filter_ctx ctx, const char *const *names, int error)
{
	for (size_t i = 0; names[i]; i++) {
		int nr = filter_call_number(names[i]), rc;

		if (nr == __NR_SCMP_ERROR)
			continue;
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO((uint32_t)error), nr, 0);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Deny nr when its argument arg has one of the bits. */
static int filter_deny_bits(scmp_filter_ctx ctx, int nr, unsigned arg, uint64_t bits, int error)
{
	return seccomp_rule_add(ctx, SCMP_ACT_ERRNO((uint32_t)error), nr, 1,
	    SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, bits, bits));
}

static int filter_deny_namespaces(scmp_filter_ctx ctx)
{
	/* A new user namespace would give capabilities back. */
	int rc = filter_deny_bits(ctx, SCMP_SYS(clone), 0, CLONE_NEWUSER, EPERM);

	return rc ? rc : filter_deny_bits(ctx, SCMP_SYS(unshare), 0, CLONE_NEWUSER, EPERM);
}

/* Deny socket(2) when its argument arg is value: an int, so the kernel looks at no more of it. */
static int filter_deny_socket(scmp_filter_ctx ctx, unsigned arg, uint64_t value, int error)
{
	return seccomp_rule_add(ctx, SCMP_ACT_ERRNO((uint32_t)error), SCMP_SYS(socket), 1,
	    SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, 0xFFFFFFFFu, value));
}

static int filter_deny_datagrams(scmp_filter_ctx ctx, int nr, bool deny)
{
	/* The raw type of this family is the datagram type. */
	static const uint64_t types[] = {SOCK_DGRAM, SOCK_RAW};
	int rc = 0;

	for (size_t i = 0; deny && rc == 0 && i < sizeof types / sizeof types[0]; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), nr, 2,
		    SCMP_A0(SCMP_CMP_MASKED_EQ, 0xFFFFFFFFu, AF_UNIX),
		    SCMP_A1(SCMP_CMP_MASKED_EQ, 0xFu, types[i]));
	return rc;
}

static int filter_deny_sockets(scmp_filter_ctx ctx, const struct sandbox_opts *o)
{
	/* What Debian 12's headers may lack a name for. */
	enum { PROTOCOL_MPTCP = 262, PROTOCOL_SMC = 256, FAMILY_VSOCK = 40, FAMILY_SMC = 43 };
	int rc = 0;

	if (!o->network) {
		/* Where a network namespace holds the tool these would only reach itself. */
		if (!o->support->net_ns || !o->mounts) {
			rc = filter_deny_socket(ctx, 0, AF_INET, EACCES);
			if (rc == 0)
				rc = filter_deny_socket(ctx, 0, AF_INET6, EACCES);
		}
	} else {
		/* These connect without asking Landlock in some kernels. */
		rc = filter_deny_socket(ctx, 2, PROTOCOL_MPTCP, EPROTONOSUPPORT);
		if (rc == 0)
			rc = filter_deny_socket(ctx, 2, PROTOCOL_SMC, EPROTONOSUPPORT);
		if (rc == 0)
			rc = filter_deny_bits(ctx, SCMP_SYS(sendto), 3, MSG_FASTOPEN, EOPNOTSUPP);
		if (rc == 0)
			rc = filter_deny_bits(ctx, SCMP_SYS(sendmsg), 2, MSG_FASTOPEN, EOPNOTSUPP);
		if (rc == 0)
			rc = filter_deny_bits(ctx, SCMP_SYS(sendmmsg), 3, MSG_FASTOPEN, EOPNOTSUPP);
	}
	/* Other programs' Unix sockets lie open: a container engine, a session bus, an agent with
	   keys. Each does anything that it is told. Where nobody can look at what is connected to
	   (broker.h) there are none. */
	if (rc == 0 && !o->broker)
		rc = filter_deny_socket(ctx, 0, AF_UNIX, EACCES);
	/* A datagram socket names whom it sends to with each message; a pair of them too. */
	for (size_t i = 0; rc == 0 && i < 2; i++)
		rc = filter_deny_datagrams(
		    ctx, i ? SCMP_SYS(socketpair) : SCMP_SYS(socket), o->broker || i);
	/* Packets as they lie on the wire, and the kernel's own sockets. */
	if (rc == 0)
		rc = filter_deny_socket(ctx, 0, AF_PACKET, EPERM);
	if (rc == 0)
		rc = filter_deny_socket(ctx, 0, AF_ALG, EPERM);
	if (rc == 0)
		rc = filter_deny_socket(ctx, 0, FAMILY_VSOCK, EPERM);
	/* TCP under another name, which Landlock's port rules do not know. */
	if (rc == 0)
		rc = filter_deny_socket(ctx, 0, FAMILY_SMC, EAFNOSUPPORT);
	return rc;
}

/*
 * A program whose file is setuid runs with the power of the file's owner, whoever starts it: what
 * root's tool made so would be a way to root for everybody. So no call may set that bit, or setgid.
 */
static int filter_deny_powerful_modes(scmp_filter_ctx ctx, const struct sandbox_opts *o)
{
	enum { ALWAYS = -1 };
	static const struct {
		const char *name;
		unsigned mode;
		int flags;    /* the argument that says whether the mode is looked at */
		uint64_t bit; /* in it */
	} calls[] = {
	    {"chmod", 1, ALWAYS, 0},
	    {"fchmod", 1, ALWAYS, 0},
	    {"fchmodat", 2, ALWAYS, 0},
	    {"fchmodat2", 2, ALWAYS, 0},
	    {"creat", 1, ALWAYS, 0},
	    {"mknod", 1, ALWAYS, 0},
	    {"mknodat", 2, ALWAYS, 0},
	    {"mkdir", 1, ALWAYS, 0},
	    {"mkdirat", 2, ALWAYS, 0},
	    {"mq_open", 2, 1, O_CREAT},
	    {"open", 2, 1, O_CREAT},
	    {"open", 2, 1, O_TMPFILE & ~O_DIRECTORY},
	    {"openat", 3, 2, O_CREAT},
	    {"openat", 3, 2, O_TMPFILE & ~O_DIRECTORY},
	};
	static const uint64_t bits[] = {S_ISUID, S_ISGID};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < 2 * sizeof calls / sizeof calls[0]; i++) {
		const size_t k = i / 2;
		uint64_t bit = bits[i % 2];
		int nr = filter_call_number(calls[k].name);
		struct scmp_arg_cmp mode = SCMP_CMP(calls[k].mode, SCMP_CMP_MASKED_EQ, bit, bit);

		if (nr == __NR_SCMP_ERROR)
			continue;
		if (calls[k].flags == ALWAYS)
			rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), nr, 1, mode);
		else
			rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), nr, 2,
			    SCMP_CMP((unsigned)calls[k].flags, SCMP_CMP_MASKED_EQ, calls[k].bit,
				calls[k].bit),
			    mode);
	}
	/* Its mode lies in memory, where the filter cannot look. Our own code only looks with it.
	 */
	if (rc == 0 && !o->own_code)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(openat2), 0);
	return rc;
}

/*
 * What would hold memory where the call's supervisor cannot see it (usage.h). A descriptor that was
 * sent and not received is in no process's table: a file in memory is therefore made by the
 * supervisor in a filesystem of the call's own, which is counted as a whole (mounts.h), or not at
 * all.
 */
static int filter_deny_uncounted(scmp_filter_ctx ctx, const struct sandbox_opts *o)
{
	static const uint64_t options[] = {SO_SNDBUF, SO_SNDBUFFORCE};
	int rc = filter_deny_all(ctx, uncounted, ENOSYS);

	if (rc == 0)
		rc = seccomp_rule_add(ctx,
		    o->broker && o->mounts ? SCMP_ACT_NOTIFY : SCMP_ACT_ERRNO(ENOSYS),
		    SCMP_SYS(memfd_create), 0);
	/* A wish, which the kernel also cuts down without a word. */
	for (size_t i = 0; rc == 0 && i < sizeof options / sizeof options[0]; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(0), SCMP_SYS(setsockopt), 2,
		    SCMP_A1(SCMP_CMP_MASKED_EQ, 0xFFFFFFFFu, SOL_SOCKET),
		    SCMP_A2(SCMP_CMP_MASKED_EQ, 0xFFFFFFFFu, options[i]));
	return rc;
}

/*
 * Limits and priorities of others. With one second of processor time left the kernel would kill the
 * call's supervisor before it looked at what the call did; at the lowest priority it would hardly
 * run. A program sets its own limits with pid 0; the priorities of its own threads go by their
 * numbers, so of those only the supervisor is out of reach: 1 in a namespace, else our parent.
 */
static int filter_deny_limits(scmp_filter_ctx ctx)
{
	enum { IOPRIO_PROCESS = 1, IOPRIO_USER = 3 }; /* linux/ioprio.h */
	const struct {
		int nr;
		unsigned who;	/* argument that says whose */
		int which, all; /* what who means: a process; all of the user's. -1: always one */
	} calls[] = {
	    {SCMP_SYS(sched_setaffinity), 0, -1, -1},
	    {SCMP_SYS(sched_setscheduler), 0, -1, -1},
	    {SCMP_SYS(sched_setparam), 0, -1, -1},
	    {SCMP_SYS(sched_setattr), 0, -1, -1},
	    {SCMP_SYS(setpriority), 1, PRIO_PROCESS, PRIO_USER},
	    {SCMP_SYS(ioprio_set), 1, IOPRIO_PROCESS, IOPRIO_USER},
	};
	const uint64_t mask = 0xFFFFFFFFu, supervisors[] = {1, (uint64_t)getppid()};
	int rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prlimit64), 2,
	    SCMP_A0(SCMP_CMP_NE, 0, 0), SCMP_A2(SCMP_CMP_NE, 0, 0));

	for (size_t i = 0; rc == 0 && i < 2 * sizeof calls / sizeof calls[0]; i++) {
		const size_t k = i / 2;
		struct scmp_arg_cmp who =
		    SCMP_CMP(calls[k].who, SCMP_CMP_MASKED_EQ, mask, supervisors[i % 2]);

		if (i % 2 && supervisors[1] <= 1)
			continue;
		if (calls[k].which < 0)
			rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), calls[k].nr, 1, who);
		else
			rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), calls[k].nr, 2,
			    SCMP_A0(SCMP_CMP_MASKED_EQ, mask, (uint64_t)calls[k].which), who);
		if (rc == 0 && calls[k].all >= 0 && i % 2 == 0)
			rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), calls[k].nr, 1,
			    SCMP_A0(SCMP_CMP_MASKED_EQ, mask, (uint64_t)calls[k].all));
	}
	return rc;
}

/* Landlock before ABI 3 does not see a file cut short. */
static int filter_deny_truncate(scmp_filter_ctx ctx, const struct sandbox_opts *o)
{
	const uint64_t mask = O_ACCMODE | O_TRUNC;
	/* Neither opens for writing, so Landlock lets both pass; O_ACCMODE is open(2)'s fourth. */
	static const uint64_t modes[] = {O_RDONLY | O_TRUNC, O_ACCMODE | O_TRUNC};
	int rc;

	/* Our own code cuts nothing short and cannot do without openat2. */
	if (o->support->landlock >= 3 || o->mounts || o->own_code)
		return 0;
	rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(truncate), 0);
	for (size_t i = 0; rc == 0 && i < sizeof modes / sizeof modes[0]; i++) {
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(open), 1,
		    SCMP_A1(SCMP_CMP_MASKED_EQ, mask, modes[i]));
		if (rc == 0)
			rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(openat), 1,
			    SCMP_A2(SCMP_CMP_MASKED_EQ, mask, modes[i]));
	}
	return rc;
}

/*
 * Load it with a listener, whose waits only a death interrupts where the kernel can (5.19): a
 * signal meanwhile would have the caller do again what was done already.
 */
static int filter_load_listening(scmp_filter_ctx ctx, int *ret_listener)
{
	static struct sock_filter rules[FILTER_MAX_RULES];
	static const unsigned flags[] = {SECCOMP_FILTER_FLAG_NEW_LISTENER | FILTER_WAIT_KILLABLE,
	    SECCOMP_FILTER_FLAG_NEW_LISTENER};
	struct sock_fprog program = {.filter = rules};
	int fd = (int)syscall(SYS_memfd_create, "filter", 1U /* close on exec */), rc, got = -1;
	ssize_t n;

	if (fd < 0)
		return -errno;
	rc = seccomp_export_bpf(ctx, fd);
	n = rc == 0 ? pread(fd, rules, sizeof rules, 0) : 0;
	close(fd);
	if (rc != 0)
		return rc;
	if (n <= 0 || n == sizeof rules)
		return -E2BIG;
	program.len = (unsigned short)((size_t)n / sizeof rules[0]);
	for (size_t i = 0; got < 0 && i < 2; i++)
		got = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags[i], &program);
	if (got < 0)
		return -errno;
	*ret_listener = got;
	return 0;
}

int filter_enter(const struct sandbox_opts *o, int *ret_listener, struct err *reterr)
{
	scmp_filter_ctx ctx;
	int rc;

	*ret_listener = -1;
	if (!o->support->seccomp)
		return 0;
	ctx = seccomp_init(SCMP_ACT_ALLOW);
	if (!ctx)
		return err_set(reterr, -ENOMEM, "seccomp gave no filter");
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	/* The other entry into the kernel (32-bit programs) is not looked at rule by rule. */
	seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
	rc = filter_deny_all(ctx, denied, EPERM);
	if (rc == 0)
		rc = filter_deny_all(ctx, absent, ENOSYS);
	/* Landlock and a pid namespace keep tracers to their own; without both nobody traces. */
	if (rc == 0 && !o->support->landlock && !o->mounts)
		rc = filter_deny_all(ctx, tracing, EPERM);
	/* What would stay of a call in namespaces that are everybody's. */
	if (rc == 0 && !o->mounts)
		rc = filter_deny_all(ctx, lasting, EACCES);
	/* Without a namespace or Landlock's scope that is everything of the user's. */
	if (rc == 0 && !o->mounts && o->support->landlock < 6)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(kill), 1,
		    SCMP_A0(SCMP_CMP_MASKED_EQ, 0xFFFFFFFFu, 0xFFFFFFFFu));
	if (rc == 0)
		rc = filter_deny_namespaces(ctx);
	if (rc == 0)
		rc = filter_deny_sockets(ctx, o);
	if (rc == 0)
		rc = filter_deny_powerful_modes(ctx, o);
	if (rc == 0)
		rc = filter_deny_all(ctx, attributes, EOPNOTSUPP);
	if (rc == 0)
		rc = filter_deny_truncate(ctx, o);
	if (rc == 0)
		rc = filter_deny_uncounted(ctx, o);
	if (rc == 0)
		rc = filter_deny_limits(ctx);
	/* Typing into the terminal of whoever started the daemon. */
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
		    SCMP_A1(SCMP_CMP_MASKED_EQ, 0xFFFFFFFFu, TIOCSTI));
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
		    SCMP_A1(SCMP_CMP_MASKED_EQ, 0xFFFFFFFFu, 0x541Cu /* TIOCLINUX */));
	/* Agents hide their memory from tracers, and with it the sockets that are to be bound for
	   them. They may think so: within the sandbox there is nobody they would hide from. */
	if (rc == 0 && o->broker)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(0), SCMP_SYS(prctl), 2,
		    SCMP_A0(SCMP_CMP_MASKED_EQ, 0xFFFFFFFFu, PR_SET_DUMPABLE),
		    SCMP_A1(SCMP_CMP_EQ, 0, 0));
	for (size_t i = 0; rc == 0 && o->broker && i < 2; i++)
		rc = seccomp_rule_add(
		    ctx, SCMP_ACT_NOTIFY, i ? SCMP_SYS(bind) : SCMP_SYS(connect), 0);
	if (rc == 0 && o->broker)
		rc = filter_load_listening(ctx, ret_listener);
	else if (rc == 0)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc == 0 ? 0 : err_set(reterr, rc, "seccomp could not be applied: %s", strerror(-rc));
}
