#ifndef DEMO_DEMO_H
#define DEMO_DEMO_H

/*
 * `opta lmx demo`: a model server that is no model. It speaks the surface the
 * daemon knows (probes, WebSocket, SSE) and does what words in the prompt tell
 * it to: stream n tokens, call a tool, hang, drop the connection. For trying
 * opta without a model, for tests and for measuring.
 *
 * The whole server runs on the calling thread and ends with the call.
 */

/*
 * Run the command; argv[0] is "demo", its options follow. Blocks until SIGTERM
 * or SIGINT, with a loop of its own. Returns the exit status: 0, 1 when it could
 * not listen or open its log, 2 for a bad option (a sentence went to stderr).
 */
int demo_main(int argc, char **argv);

#endif
