/* The daemon's main, and its tool host's. Users type `opta daemon …`, which runs this. */
#include "base/fault.h"
#include "base/file.h"
#include "base/lingering.h"
#include "base/str.h"
#include "daemon/daemon.h"
#include "daemon/doctor.h"
#include "tools/host.h"
#include "tools/sandbox.h"

int main(int argc, char **argv)
{
	struct daemon_opts opts = {.ready_fd = -1};
	uint64_t fd;

	file_keep_standard();
	if (argc == 3 && strcmp(argv[1], "tool-host") == 0 &&
	    str_parse_u64(str_of(argv[2]), 65535, &fd))
		return host_run((int)fd);
	if (argc >= 2 && strcmp(argv[1], "doctor") == 0)
		lingering_exit(doctor_run(argc > 2 && strcmp(argv[2], "--fix") == 0));
#ifdef OPTA_FAULTS
	if (argc == 2 && strcmp(argv[1], "faults") == 0) {
		for (const char *const *name = fault_names; *name; name++)
			puts(*name);
		return 0;
	}
#endif
#ifdef OPTA_LAYERS
	if (argc == 2 && strcmp(argv[1], "layers") == 0) {
		for (const char *const *name = sandbox_layers; *name; name++)
			puts(*name);
		return 0;
	}
#endif
	if (argc < 2 || strcmp(argv[1], "run") != 0)
		goto usage;
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--foreground") == 0)
			opts.foreground = 1;
		else if (strcmp(argv[i], "--ready-fd") == 0 && i + 1 < argc &&
			 str_parse_u64(str_of(argv[++i]), 65535, &fd))
			opts.ready_fd = (int)fd;
		else
			goto usage;
	}
	lingering_exit(daemon_run(&opts));
usage:
	fprintf(stderr,
	    "optad is opta's daemon; start it with `opta daemon start` or `opta daemon run`\n");
	return 2;
}
