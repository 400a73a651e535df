/* Where a model server is. */
#include "model/target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "base/err.h"
#include "base/str.h"
#include "model/tls.h"

static int bad(const char *text, const char *why, struct err *reterr)
{
	return err_set(reterr, -EINVAL, "\"%.200s\" names no model server: %s", text, why);
}

static bool copy(char *to, size_t size, struct str from)
{
	if (from.n >= size)
		return false;
	if (from.n)
		memcpy(to, from.p, from.n);
	to[from.n] = '\0';
	return true;
}

/* Nothing but blanks to the end? They were trimmed. */
static bool is_blank(const char *p)
{
	return p[strspn(p, " \t\r\n")] == '\0';
}

static bool host_ok(struct str host)
{
	/* What could break out of a request line or a header never gets near one. */
	for (size_t i = 0; i < host.n; i++)
		if ((unsigned char)host.p[i] <= ' ' || host.p[i] == 0x7F ||
		    strchr("/@?#\\\"", host.p[i]))
			return false;
	return host.n > 0;
}

static bool ends(struct str s, const char *end)
{
	size_t n = strlen(end);

	return s.n >= n && memcmp(s.p + s.n - n, end, n) == 0;
}

/* Cut the query off the path. False: it is too long. */
static bool take_query(struct str *path, struct target *t)
{
	const char *mark = path->n ? memchr(path->p, '?', path->n) : NULL;
	struct str query = {NULL, 0};

	if (mark) {
		query = (struct str){mark, path->n - (size_t)(mark - path->p)};
		path->n = (size_t)(mark - path->p);
	}
	return copy(t->query, sizeof t->query, query);
}

/* People paste what they find: a base with its /v1, which our paths bring themselves, or the
 * address of a question itself. */
static void take_endpoint(struct str *path, struct target *t)
{
	static const struct {
		const char *end, *dialect;
	} endpoints[] = {{"/chat/completions", "openai_chat"}, {"/completions", NULL},
	    {"/models", NULL}, {"/messages", "anthropic"}, {"/responses", "responses"},
	    {"/api/chat", "ollama"}};

	while (path->n && path->p[path->n - 1] == '/')
		path->n--;
	for (size_t i = 0; i < sizeof endpoints / sizeof endpoints[0] && !t->bare; i++)
		if (ends(*path, endpoints[i].end)) {
			path->n -= strlen(endpoints[i].end);
			t->bare = true;
			t->dialect = endpoints[i].dialect;
		}
	if (ends(*path, "/v1")) {
		path->n -= 3;
		t->bare = false;
	}
}

void target_path(const struct target *t, const char *path, char *out, size_t size)
{
	static const char api[] = "/api";
	struct str prefix = str_of(t->prefix);

	if (t->bare && strncmp(path, "/v1/", 4) == 0)
		path += 3;
	/* Ollama's paths bring what people take for its base. */
	else if (ends(prefix, api) && strncmp(path, "/api/", 5) == 0)
		path += sizeof api - 1;
	snprintf(out, size, "%s%s%s", t->prefix, path, t->query);
}

int target_parse(const char *text, int port, struct target *ret, struct err *reterr)
{
	struct str rest = str_trim(str_of(text)), host, path = {NULL, 0}, digits;
	struct target t = {.port = port};
	const char *slash, *colon;
	uint64_t n;

	if (str_starts(rest, "http://")) {
		rest = (struct str){rest.p + 7, rest.n - 7};
	} else if (str_starts(rest, "https://")) {
		rest = (struct str){rest.p + 8, rest.n - 8};
		t.tls = true;
		t.port = 443;
	}
	slash = rest.n ? memchr(rest.p, '/', rest.n) : NULL;
	if (slash) {
		path = (struct str){slash, rest.n - (size_t)(slash - rest.p)};
		rest.n = (size_t)(slash - rest.p);
		if (!take_query(&path, &t))
			return bad(text, "what follows the ? is too long", reterr);
		take_endpoint(&path, &t);
	}
	host = rest;
	colon = NULL;
	for (size_t i = 0; i < rest.n; i++)
		if (rest.p[i] == ':')
			colon = rest.p + i;
	/* A bare IPv6 address has more than one colon and no port. */
	if (colon &&
	    (memchr(rest.p, ':', rest.n) == colon || (colon > rest.p && colon[-1] == ']'))) {
		digits = (struct str){colon + 1, rest.n - (size_t)(colon - rest.p) - 1};
		host.n = (size_t)(colon - rest.p);
		if (!str_parse_u64(digits, 65535, &n) || n == 0)
			return bad(text, "the port must be a number from 1 to 65535", reterr);
		t.port = (int)n;
	}
	if (!host_ok(host) || !copy(t.host, sizeof t.host, host))
		return bad(text,
		    "expected a name, an address, host:port or http(s)://host[:port][/path]",
		    reterr);
	for (size_t i = 0; slash && text + strlen(text) > slash + i; i++)
		if ((unsigned char)slash[i] < ' ' || slash[i] == 0x7F ||
		    (slash[i] == ' ' && !is_blank(slash + i)))
			return bad(text, "the path has a blank or control character", reterr);
	if (!copy(t.prefix, sizeof t.prefix, path))
		return bad(text, "the path is too long", reterr);
	*ret = t;
	return 0;
}

bool target_is_local(const struct target *t)
{
	struct in_addr v4;
	struct in6_addr v6;
	char bare[sizeof t->host];
	size_t n = strlen(t->host);
	bool brackets = n > 2 && t->host[0] == '[' && t->host[n - 1] == ']';

	if (strcasecmp(t->host, "localhost") == 0)
		return true;
	snprintf(bare, sizeof bare, "%.*s", (int)(brackets ? n - 2 : n), t->host + brackets);
	if (inet_pton(AF_INET, bare, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, bare, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool target_same(const struct target *t, const struct target *other)
{
	return strcasecmp(t->host, other->host) == 0 && t->port == other->port &&
	       (t->tls || !other->tls);
}

struct filter *target_filter(const struct target *t, struct err *reterr)
{
	return t->tls ? tls_filter_new(t->host, reterr) : NULL;
}
