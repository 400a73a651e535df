/* Where a model server is. */
#include "model/target.h"

#include <arpa/inet.h>
#include <errno.h>
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

static bool host_ok(struct str host)
{
	/* What could break out of a request line or a header never gets near one. */
	for (size_t i = 0; i < host.n; i++)
		if ((unsigned char)host.p[i] <= ' ' || host.p[i] == 0x7F ||
		    strchr("/@?#\\\"", host.p[i]))
			return false;
	return host.n > 0;
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
		while (path.n && path.p[path.n - 1] == '/')
			path.n--;
		/* People paste the OpenAI base URL; our paths bring their own /v1. */
		if (path.n >= 3 && memcmp(path.p + path.n - 3, "/v1", 3) == 0)
			path.n -= 3;
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
	for (size_t i = 0; i < path.n; i++)
		if ((unsigned char)path.p[i] <= ' ' || path.p[i] == 0x7F)
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
