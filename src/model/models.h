#ifndef MODEL_MODELS_H
#define MODEL_MODELS_H

/*
 * Which models the model server has, which of them are loaded and how much they take,
 * asked in the dialects there are: OpenAI's /v1/models, LMX's /admin/models, Ollama's /api/ps and
 * /api/tags, LM Studio's /api/v0/models. Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct model_server;
struct models_call;

enum {
	MODELS_MAX = 1000,	       /* named in one list */
	MODELS_MAX_ID = 300,	       /* bytes of a name; longer ones are left out */
	MODELS_MAX_LIST = 1024 * 1024, /* bytes of one list; the rest is not read */
	MODELS_ASK_MS = 1000,	       /* once the server is known to answer */
	/* What Ollama gives a model when nobody said otherwise. */
	MODELS_OLLAMA_CONTEXT = 4096,
};

/*
 * host: "h:p"; list: the inside of a JSON array of {"id","loaded"?,"contextTokens"?}, where
 * `loaded` is missing when the server does not tell. Borrowed until return. NULL: why has a
 * sentence.
 */
typedef void models_cb(void *data, const char *host, const struct buf *list, const struct err *why);

/* Ask; the callback comes once, never before this returns. server must live as long. */
struct models_call *models_ask(struct model_server *server, models_cb *on_done, void *data);

/* The callback will not be called. NULL is allowed. */
void models_cancel(struct models_call *call);

/* --- what an answer says; pure, for tests --- */

struct models; /* an ordered set of what is known */
struct models *models_new(void);
/* Another owner of the same: each of them frees it. */
struct models *models_ref(struct models *m);
void models_free(struct models *m);
/* The answer to a GET of path. What is no such answer changes nothing. */
void models_take(struct models *m, const char *path, const char *p, size_t n);
/* How many tokens that model holds, as far as was told; 0: it was not. */
uint64_t models_context(const struct models *m, const char *name);
/*
 * The model of a server's list to ask when nobody named one, into out: one that is loaded before
 * others, none that only embeds, ranks or hears. False: there is none. The text is the server's,
 * and may have been cut off at MODELS_MAX_LIST.
 */
bool models_first_name(const char *text, size_t n, char *out, size_t size);

/* Append the inside of the JSON array. */
void models_put(const struct models *m, struct buf *out);

#endif
