/* Who may talk. */
#include "daemon/auth.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/ids.h"

void auth_init(struct auth *a, const struct config *config, const char *host)
{
	ids_make("opta_dk_", 32, a->token, sizeof a->token);
	a->config = config;
	a->host = host;
	a->guesses = AUTH_FREE_GUESSES;
	a->refilled_us = clock_mono_us();
}

/* "host:port", "[v6]:port" or bare: the host, p NULL when malformed. */
static struct str host_part(struct str s)
{
	struct str host = s, port;
	uint64_t n;

	if (s.n && s.p[0] == '[') {
		const char *close = memchr(s.p, ']', s.n);

		if (!close)
			return (struct str){NULL, 0};
		host.n = (size_t)(close - s.p) + 1;
		port = (struct str){s.p + host.n, s.n - host.n};
		if (!port.n)
			return host;
		if (port.p[0] != ':')
			return (struct str){NULL, 0};
		port.p++;
		port.n--;
	} else {
		port = str_cut(s, ':', &host);
		if (host.n == s.n)
			return host;
	}
	if (!str_parse_u64(port, 65535, &n))
		return (struct str){NULL, 0};
	return host;
}

static bool is_loopback(struct str host)
{
	struct str rest, part;
	uint64_t n;
	int parts = 0;

	/* What nearly everybody says needs no taking apart. */
	if (str_eq(host, "127.0.0.1") || str_ieq(host, "localhost") || str_eq(host, "[::1]"))
		return true;
	/* 127.0.0.0/8, each part a plain number: not 127.0.0.1.nip.io. */
	if (!str_starts(host, "127."))
		return false;
	rest = host;
	while (rest.n) {
		bool last = !memchr(rest.p, '.', rest.n);

		rest = str_cut(rest, '.', &part);
		if (part.n > 3 || !str_parse_u64(part, 255, &n) || (!last && !rest.n))
			return false;
		parts++;
	}
	return parts == 4;
}

bool auth_host_ok(const struct auth *a, struct str value)
{
	struct str host = host_part(value);
	char bracketed[300];

	if (!host.p || !host.n)
		return false;
	if (is_loopback(host))
		return true;
	/* An address that means "every interface" names none. */
	if (strcmp(a->host, "0.0.0.0") == 0 || strcmp(a->host, "::") == 0)
		return false;
	snprintf(bracketed, sizeof bracketed, "[%.250s]", a->host);
	return str_ieq(host, a->host) || str_ieq(host, bracketed);
}

bool auth_origin_ok(const struct auth *a, struct str origin)
{
	/* What a desktop app made with Tauri calls itself on macOS and Linux, and on Windows. */
	static const char *const tauri[] = {
	    "tauri://localhost", "http://tauri.localhost", "https://tauri.localhost"};
	struct str host;
	const char *allowed;

	for (size_t i = 0; (allowed = config_list(a->config, "daemon.allowedOrigins", i)); i++)
		if (str_eq(origin, allowed))
			return true;
	for (size_t i = 0; i < sizeof tauri / sizeof tauri[0]; i++)
		if (str_eq(origin, tauri[i]))
			return config_bool(a->config, "daemon.allowTauri");
	if (str_starts(origin, "http://"))
		host = (struct str){origin.p + 7, origin.n - 7};
	else if (str_starts(origin, "https://"))
		host = (struct str){origin.p + 8, origin.n - 8};
	else
		return false;
	host = host_part(host);
	return host.p && is_loopback(host);
}

bool auth_token_ok(const struct auth *a, struct str token)
{
	return str_secret_eq(token, str_of(a->token));
}

bool auth_guess(struct auth *a)
{
	uint64_t now = clock_mono_us();

	a->guesses += (double)(now - a->refilled_us) / 1e6;
	a->refilled_us = now;
	if (a->guesses > AUTH_FREE_GUESSES)
		a->guesses = AUTH_FREE_GUESSES;
	if (a->guesses < 1)
		return false;
	a->guesses -= 1;
	return true;
}
