/* The command line's main: the name of a command to its function. */
#include <locale.h>
#include <signal.h>

#include "base/file.h"
#include "base/lingering.h"
#include "cli/cmd.h"
#include "cli/term.h"
#include "demo/demo.h"

int main(int argc, char **argv)
{
	file_keep_standard();
	signal(SIGPIPE, SIG_IGN);
	/* For the width of characters alone; numbers and messages stay as they are. */
	setlocale(LC_CTYPE, "C.UTF-8");
	cmd_demo_main = demo_main;
	term_begin();
	lingering_exit(term_end(cmd_run(argc, argv)));
}
