/* opta lmx demo: the built-in demo model server. */
#include "cli/cmd.h"

int (*cmd_demo_main)(int argc, char **argv);

int cmd_lmx_demo(const struct cmd_line *line)
{
	if (!cmd_demo_main)
		return cmd_usage("lmx demo", "this build has no demo server");
	return cmd_demo_main((int)line->count, line->words);
}
