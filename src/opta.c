/* The command line's main: the name of a command to its function. */
#include <signal.h>

#include "cli/cmd.h"
#include "demo/demo.h"

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	cmd_demo_main = demo_main;
	return cmd_run(argc, argv);
}
