/* opta lmx demo: the built-in demo model server. */
#include "cli/cmd.h"

int (*cmd_demo_main)(int argc, char **argv);

int cmd_lmx(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "demo") == 0 && cmd_demo_main)
		return cmd_demo_main(argc - 1, argv + 1);
	return cmd_usage("lmx", "lmx needs: demo");
}
