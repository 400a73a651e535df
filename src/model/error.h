#ifndef MODEL_ERROR_H
#define MODEL_ERROR_H

/*
 * What model servers say when something went wrong, in whatever shape: one sentence of it. Pure;
 * any thread.
 */

#include <stdbool.h>
#include <stddef.h>

struct json_t;
struct str;

/* Does this message of a stream say that it is an error? */
bool error_is_named(const struct json_t *message);

/* The same where nothing says so but its members, as in the chat API. */
bool error_is(const struct json_t *message);

/*
 * The sentence of an error into out (never empty, valid UTF-8, cut when longer than size): a text;
 * an object with message, msg, detail, error_message …, in whatever depth; a list of them.
 * *ret_overflow: it says that the prompt is larger than the context.
 */
void error_of(const struct json_t *error, char *out, size_t size, bool *ret_overflow);

/* The same of what is no JSON: the title of a page, or the first line. */
void error_of_text(struct str text, char *out, size_t size, bool *ret_overflow);

/* Does a sentence say that the prompt is larger than the model's context? */
bool error_is_overflow(const char *sentence);

/* Does it say that another try may not meet it? */
bool error_passes(const char *sentence);

/* Does it say that the server loads its model yet? */
bool error_says_loading(const char *sentence);

#endif
