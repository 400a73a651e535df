/* Full-text search in all sessions. */
#include "base/buf.h"
#include "daemon/api.h"
#include "daemon/conn.h"
#include "daemon/server.h"
#include "session/roster.h"
#include "store/search.h"

enum { SEARCH_USUAL = 20 };

static void on_found(void *data, enum api_error error, struct buf *json)
{
	struct call *call = data;
	struct buf out = {0};

	if (error != API_OK) {
		call_fail(call, error,
		    "the search failed; `opta doctor` says whether the database is sound", NULL);
		return;
	}
	buf_adds(&out, "{\"results\":[");
	buf_add(&out, json->p, json->len);
	buf_adds(&out, "]}");
	call_reply(call, 200, out.p, out.len);
	buf_finish(&out);
}

void api_search(struct call *call)
{
	struct buf query = {0};
	uint64_t limit;

	if (!call_query_u64(call, "limit", SEARCH_USUAL, SEARCH_MAX_RESULTS, &limit))
		return;
	if (!call_query(call, "q", &query) || !query.len)
		call_fail(
		    call, API_INVALID_REQUEST, "q is missing: what is to be searched for", NULL);
	else if (query.len > SEARCH_MAX_QUERY)
		call_fail(call, API_INVALID_REQUEST, "q is too long (at most 400 bytes)", NULL);
	else
		roster_search(call->server->core, buf_cstr(&query), limit, on_found, call);
	buf_finish(&query);
}
