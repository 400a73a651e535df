/* `opta lmx demo`: options, then the server. */
#include "demo/demo.h"

#include "base/buf.h"
#include "base/err.h"
#include "demo/options.h"
#include "demo/server.h"

int demo_main(int argc, char **argv)
{
	struct demo_options options;
	struct buf help = {0};
	struct err err = {0};

	if (demo_options_parse(argc, argv, &options, &err) != 0) {
		fprintf(stderr, "opta lmx demo: %s\n", err.text);
		return 2;
	}
	if (options.help) {
		demo_options_help(&help);
		fputs(buf_cstr(&help), stdout);
		buf_finish(&help);
		return 0;
	}
	if (demo_server_run(&options, &err) != 0) {
		fprintf(stderr, "opta lmx demo: %s\n", err.text);
		return 1;
	}
	return 0;
}
