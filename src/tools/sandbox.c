/* Landlock, seccomp and capabilities; landlock(7), seccomp(2), capabilities(7). */
#include "tools/sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "tools/mounts.h"

/* --- Landlock: the kernel's numbers, as Debian 12's headers know only half of them --- */

enum { LANDLOCK_CREATE = 444, LANDLOCK_ADD = 445, LANDLOCK_RESTRICT = 446 };

#define FS_EXECUTE (1ULL << 0)
#define FS_WRITE_FILE (1ULL << 1)
#define FS_READ_FILE (1ULL << 2)
#define FS_READ_DIR (1ULL << 3)
#define FS_ALL_V1 ((1ULL << 13) - 1)
#define FS_REFER (1ULL << 13)	  /* ABI 2 */
#define FS_TRUNCATE (1ULL << 14)  /* ABI 3 */
#define FS_IOCTL_DEV (1ULL << 15) /* ABI 5 */
#define FS_READ (FS_EXECUTE | FS_READ_FILE | FS_READ_DIR)
#define NET_CONNECT_TCP (1ULL << 1)	/* ABI 4 */
#define SCOPE_ABSTRACT_UNIX (1ULL << 0) /* ABI 6 */
#define SCOPE_SIGNAL (1ULL << 1)	/* ABI 6 */

struct ruleset_attr {
	uint64_t fs, net, scoped;
};

struct path_beneath {
	uint64_t access;
	int fd;
} __attribute__((packed));

struct net_port {
	uint64_t access, port;
};

enum { RULE_PATH = 1, RULE_NET = 2 };

static size_t attr_size(int abi)
{
	if (abi < 4)
		return 8;
	return abi < 6 ? 16 : 24;
}

static uint64_t all_fs(int abi)
{
	return FS_ALL_V1 | (abi >= 2 ? FS_REFER : 0) | (abi >= 3 ? FS_TRUNCATE : 0) |
	       (abi >= 5 ? FS_IOCTL_DEV : 0);
}

/* Allow access at path, through a link only when follow; what does not exist needs no rule. 0 or
 * -errno. */
static int allow(int ruleset, const char *path, uint64_t access, bool follow)
{
	int fd = open(path, O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW)), rc = 0;
	struct path_beneath rule = {.access = access, .fd = fd};
	struct stat st;

	if (fd < 0)
		return errno == ENOENT || errno == EACCES || errno == ENOTDIR ? 0 : -errno;
	if (fstat(fd, &st) != 0 || S_ISLNK(st.st_mode)) {
		close(fd);
		return 0;
	}
	if (!S_ISDIR(st.st_mode))
		rule.access &=
		    FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV;
	if (syscall(LANDLOCK_ADD, ruleset, RULE_PATH, &rule, 0) != 0)
		rc = -errno;
	close(fd);
	return rc;
}

static int allow_around(int ruleset, const char *dir, uint64_t access, const char *const *hidden);

/* Allow access to path and all below it but what is hidden (ended by NULL). */
static int allow_below(
    int ruleset, const char *path, uint64_t access, const char *const *hidden, bool follow)
{
	bool around = false;

	for (size_t i = 0; hidden[i]; i++) {
		if (mounts_within(path, hidden[i]))
			return 0;
		around |= mounts_within(hidden[i], path);
	}
	return around ? allow_around(ruleset, path, access, hidden)
		      : allow(ruleset, path, access, follow);
}

/*
 * Landlock only allows: each directory on the way to what is hidden gets its other entries
 * allowed one by one. Links get nothing: where they lead counts, and one may lead around.
 */
static int allow_around(int ruleset, const char *dir, uint64_t access, const char *const *hidden)
{
	size_t n = strlen(dir);
	char path[4200];
	struct dirent *e;
	int rc = 0;
	DIR *d;

	d = opendir(dir);
	if (!d)
		return 0;
	while (rc == 0 && (e = readdir(d))) {
		size_t len;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		len = (size_t)snprintf(
		    path, sizeof path, "%s%s%s", dir, dir[n - 1] == '/' ? "" : "/", e->d_name);
		if (len < sizeof path)
			rc = allow_below(ruleset, path, access, hidden, false);
	}
	closedir(d);
	return rc;
}

/*
 * A function of ours was told what it may read: the workspace, and a path outside when somebody
 * agreed to it. The rest is for the programs it may run (ripgrep), and tells nobody anything.
 */
static int landlock_own_code(int ruleset, const struct sandbox_opts *o)
{
	static const char *const programs[] = {"/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache",
	    "/etc/ld.so.conf", "/etc/ld.so.conf.d", NULL};
	const char *const ours[] = {o->mounts ? NULL : o->hidden, NULL};
	int rc = 0;

	for (size_t i = 0; rc == 0 && programs[i]; i++)
		rc = allow_below(ruleset, programs[i], FS_READ, ours, true);
	if (rc == 0 && o->outside)
		rc = allow_below(ruleset, o->outside, FS_READ, ours, false);
	return rc;
}

static int landlock_files(int ruleset, const struct sandbox_opts *o)
{
	static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random",
	    "/dev/urandom", "/dev/tty", "/proc/self", NULL};
	/* Those of a /dev of its own. */
	static const char *const terminals[] = {"/dev/ptmx", "/dev/pts", NULL};
	/* With a mount namespace other things lie over what is hidden. */
	const char *const none[] = {NULL}, *const ours[] = {o->mounts ? NULL : o->hidden, NULL},
			  *const most[] = {o->hidden ? o->hidden : "/dev", "/dev", NULL};
	uint64_t all = all_fs(o->support->landlock),
		 use = FS_READ | FS_WRITE_FILE | (all & (FS_IOCTL_DEV | FS_TRUNCATE));
	int rc = o->own_code ? landlock_own_code(ruleset, o)
			     : allow_below(ruleset, "/", FS_READ, o->mounts ? none : most, true);

	for (size_t i = 0; rc == 0 && devices[i]; i++)
		rc = allow(ruleset, devices[i], use, true);
	for (size_t i = 0; rc == 0 && o->mounts && terminals[i]; i++)
		rc = allow(ruleset, terminals[i], use, true);
	/* The private /tmp; without mounts of our own the supervisor gives a directory in it. */
	if (rc == 0 && o->mounts)
		rc = allow(ruleset, "/tmp", all, true);
	if (rc == 0 && o->mounts)
		rc = allow(ruleset, "/dev/shm", all, true);
	if (rc == 0 && o->workspace)
		rc = allow_below(ruleset, o->workspace, all, ours, true);
	if (rc == 0 && o->extra_write)
		rc = allow_below(ruleset, o->extra_write, all, ours, true);
	if (rc == 0 && o->temp)
		rc = allow(ruleset, o->temp, all, true);
	return rc;
}

static int enter_landlock(const struct sandbox_opts *o, struct err *reterr)
{
	int abi = o->support->landlock, fd, rc;
	struct ruleset_attr attr = {
	    .fs = all_fs(abi), .scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL};

	if (!abi)
		return 0;
	if (o->net_rules >= 0 && syscall(LANDLOCK_RESTRICT, o->net_rules, 0) != 0)
		return err_set(
		    reterr, -errno, "Landlock refused the port rules: %s", strerror(errno));
	fd = (int)syscall(LANDLOCK_CREATE, &attr, attr_size(abi), 0);
	if (fd < 0)
		return err_set(reterr, -errno, "Landlock gave no ruleset: %s", strerror(errno));
	rc = landlock_files(fd, o);
	if (rc == 0 && syscall(LANDLOCK_RESTRICT, fd, 0) != 0)
		rc = -errno;
	close(fd);
	return rc == 0 ? 0
		       : err_set(reterr, rc, "Landlock could not be applied: %s", strerror(-rc));
}

int sandbox_net_rules(const struct sandbox_support *s, int port)
{
	struct ruleset_attr attr = {.net = NET_CONNECT_TCP};
	int fd;

	if (s->landlock < 4)
		return -1;
	fd = (int)syscall(LANDLOCK_CREATE, &attr, attr_size(s->landlock), 0);
	for (uint64_t p = 0; fd >= 0 && p < 65536; p++) {
		struct net_port rule = {.access = NET_CONNECT_TCP, .port = p};

		if (p != (uint64_t)port && syscall(LANDLOCK_ADD, fd, RULE_NET, &rule, 0) != 0) {
			close(fd);
			return -1;
		}
	}
	return fd;
}

/* --- seccomp --- */

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

static const char *const tracing[] = {
    "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", NULL};

/* An attribute's name lies in memory, and one of them is a file's capabilities. Programs know
   filesystems that have none. */
static const char *const attributes[] = {"setxattr", "lsetxattr", "fsetxattr", "setxattrat", NULL};

/* The number of a call, also of one that is younger than the library. */
static int call_number(const char *name)
{
	static const struct {
		const char *name;
		int nr;
	} young[] = {{"fchmodat2", 452}, {"setxattrat", 463}};
	int nr = seccomp_syscall_resolve_name(name);

	/* From 424 on a call has one number on all machines. */
	for (size_t i = 0; nr == __NR_SCMP_ERROR && i < sizeof young / sizeof young[0]; i++)
		if (strcmp(name, young[i].name) == 0)
			return young[i].nr;
	return nr;
}

static int deny_all(scmp_filter_ctx ctx, const char *const *names, int error)
{
	for (size_t i = 0; names[i]; i++) {
		int nr = call_number(names[i]), rc;

		if (nr == __NR_SCMP_ERROR)
			continue;
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO((uint32_t)error), nr, 0);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Deny nr when its argument arg has one of the bits. */
static int deny_bits(scmp_filter_ctx ctx, int nr, unsigned arg, uint64_t bits, int error)
{
	return seccomp_rule_add(ctx, SCMP_ACT_ERRNO((uint32_t)error), nr, 1,
	    SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, bits, bits));
}

static int deny_namespaces(scmp_filter_ctx ctx)
{
	/* A new user namespace would give capabilities back. */
	int rc = deny_bits(ctx, SCMP_SYS(clone), 0, CLONE_NEWUSER, EPERM);

	return rc ? rc : deny_bits(ctx, SCMP_SYS(unshare), 0, CLONE_NEWUSER, EPERM);
}

/* Deny socket(2) when its argument arg is value: an int, so the kernel looks at no more of it. */
static int deny_socket(scmp_filter_ctx ctx, unsigned arg, uint64_t value, int error)
{
	return seccomp_rule_add(ctx, SCMP_ACT_ERRNO((uint32_t)error), SCMP_SYS(socket), 1,
	    SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, 0xFFFFFFFFu, value));
}

static int deny_sockets(scmp_filter_ctx ctx, const struct sandbox_opts *o)
{
	/* What Debian 12's headers may lack a name for. */
	enum { PROTOCOL_MPTCP = 262, FAMILY_VSOCK = 40 };
	int rc = 0;

	if (!o->network) {
		/* Where a network namespace holds the tool these would only reach itself. */
		if (!o->support->net_ns || !o->mounts) {
			rc = deny_socket(ctx, 0, AF_INET, EACCES);
			if (rc == 0)
				rc = deny_socket(ctx, 0, AF_INET6, EACCES);
		}
	} else {
		/* These connect without asking Landlock in some kernels. */
		rc = deny_socket(ctx, 2, PROTOCOL_MPTCP, EPROTONOSUPPORT);
		if (rc == 0)
			rc = deny_bits(ctx, SCMP_SYS(sendto), 3, MSG_FASTOPEN, EOPNOTSUPP);
		if (rc == 0)
			rc = deny_bits(ctx, SCMP_SYS(sendmsg), 2, MSG_FASTOPEN, EOPNOTSUPP);
		if (rc == 0)
			rc = deny_bits(ctx, SCMP_SYS(sendmmsg), 3, MSG_FASTOPEN, EOPNOTSUPP);
	}
	/* Where /run and /tmp are everybody's, other programs' sockets lie open: a container
	   engine, a session bus, an agent with keys. Each does anything that it is told. */
	if (rc == 0 && !o->mounts)
		rc = deny_socket(ctx, 0, AF_UNIX, EACCES);
	/* Packets as they lie on the wire, and the kernel's own sockets. */
	if (rc == 0)
		rc = deny_socket(ctx, 0, AF_PACKET, EPERM);
	if (rc == 0)
		rc = deny_socket(ctx, 0, AF_ALG, EPERM);
	if (rc == 0)
		rc = deny_socket(ctx, 0, FAMILY_VSOCK, EPERM);
	return rc;
}

/*
 * A program whose file is setuid runs with the power of the file's owner, whoever starts it: what
 * root's tool made so would be a way to root for everybody. So no call may set that bit, or setgid.
 */
static int deny_powerful_modes(scmp_filter_ctx ctx, const struct sandbox_opts *o)
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
		int nr = call_number(calls[k].name);
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

/* Landlock before ABI 3 does not see a file cut short. */
static int deny_truncate(scmp_filter_ctx ctx, const struct sandbox_opts *o)
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

static int enter_seccomp(const struct sandbox_opts *o, struct err *reterr)
{
	scmp_filter_ctx ctx;
	int rc;

	if (!o->support->seccomp)
		return 0;
	ctx = seccomp_init(SCMP_ACT_ALLOW);
	if (!ctx)
		return err_set(reterr, -ENOMEM, "seccomp gave no filter");
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	/* The other entry into the kernel (32-bit programs) is not looked at rule by rule. */
	seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
	rc = deny_all(ctx, denied, EPERM);
	if (rc == 0)
		rc = deny_all(ctx, absent, ENOSYS);
	/* Landlock and a pid namespace keep tracers to their own; without both nobody traces. */
	if (rc == 0 && !o->support->landlock && !o->mounts)
		rc = deny_all(ctx, tracing, EPERM);
	if (rc == 0)
		rc = deny_namespaces(ctx);
	if (rc == 0)
		rc = deny_sockets(ctx, o);
	if (rc == 0)
		rc = deny_powerful_modes(ctx, o);
	if (rc == 0)
		rc = deny_all(ctx, attributes, EOPNOTSUPP);
	if (rc == 0)
		rc = deny_truncate(ctx, o);
	/* Typing into the terminal of whoever started the daemon. */
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
		    SCMP_A1(SCMP_CMP_MASKED_EQ, 0xFFFFFFFFu, TIOCSTI));
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
		    SCMP_A1(SCMP_CMP_MASKED_EQ, 0xFFFFFFFFu, 0x541Cu /* TIOCLINUX */));
	if (rc == 0)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc == 0 ? 0 : err_set(reterr, rc, "seccomp could not be applied: %s", strerror(-rc));
}

/* --- together --- */

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

int sandbox_enter(const struct sandbox_opts *o, struct err *reterr)
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
	rc = enter_landlock(o, reterr);
	if (rc != 0)
		return rc;
	rc = sandbox_drop_capabilities();
	if (rc != 0)
		return err_set(reterr, rc, "capabilities could not be dropped: %s", strerror(-rc));
	return enter_seccomp(o, reterr);
}

/* --- what there is --- */

/* In a child with these namespaces: can the view of a tool be made in them? */
static bool make_view(unsigned long flags, unsigned uid, unsigned gid, bool proc)
{
	/* As the workspace any directory does. */
	return (!(flags & CLONE_NEWUSER) || mounts_map_user(uid, gid) == 0) &&
	       mounts_make(&(struct mounts_opts){.workspace = "/usr", .proc = proc}, NULL) == 0;
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

void sandbox_probe(struct sandbox_support *ret)
{
	const unsigned long flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC;
	long abi = syscall(LANDLOCK_CREATE, NULL, 0, 1);
	unsigned long user = 0;
	bool proc;

	*ret = (struct sandbox_support){.landlock = abi > 0 ? (int)abi : 0};
	ret->pid_ns = try_namespaces(flags, &ret->proc);
	if (!ret->pid_ns) {
		user = CLONE_NEWUSER;
		ret->user_ns = ret->pid_ns = try_namespaces(flags | user, &ret->proc);
	}
	if (ret->pid_ns)
		ret->net_ns = try_namespaces(flags | user | CLONE_NEWNET, &proc);
	ret->seccomp = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
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
	    {s->landlock > 0 && s->landlock < 6,
		"Landlock scopes (kernel 6.12): commands with network can reach abstract sockets"},
	    {s->landlock && !s->pid_ns,
		"namespaces: a tool's processes are found and killed one by one, it shares /tmp "
		"and /proc, can change modes and times of other files, and has no terminals and no "
		"Unix sockets"},
	    {s->pid_ns && !s->proc, "a fresh /proc: tools have none"},
	    {s->landlock > 0 && s->landlock < 6 && !s->pid_ns,
		"Landlock scopes (kernel 6.12): commands can signal other processes"},
	    {s->pid_ns && !s->net_ns,
		"network namespaces: tools.network=false is enforced by seccomp alone"},
	    {!s->seccomp, "seccomp: dangerous system calls are not filtered"},
	};
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++)
		if (pieces[i].missing && n < size)
			n += (size_t)snprintf(out + n, size - n, "%s\n", pieces[i].text);
}
