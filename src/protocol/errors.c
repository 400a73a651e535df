/* Error codes of the contract and the shape of an error body. */
#include "protocol/errors.h"

#include <assert.h>

#include "base/buf.h"
#include "base/json.h"

static const struct {
	int status;
	const char *code;
} table[] = {
    [API_OK] = {200, "OK"},
    [API_UNAUTHORIZED] = {401, "UNAUTHORIZED"},
    [API_FORBIDDEN_HOST] = {403, "FORBIDDEN_HOST"},
    [API_FORBIDDEN_ORIGIN] = {403, "FORBIDDEN_ORIGIN"},
    [API_INVALID_REQUEST] = {400, "INVALID_REQUEST"},
    [API_HEADER_TOO_LARGE] = {431, "INVALID_REQUEST"},
    [API_NOT_FOUND] = {404, "NOT_FOUND"},
    [API_SESSION_NOT_FOUND] = {404, "SESSION_NOT_FOUND"},
    [API_METHOD_NOT_ALLOWED] = {405, "METHOD_NOT_ALLOWED"},
    [API_CONFLICT] = {409, "CONFLICT"},
    [API_PAYLOAD_TOO_LARGE] = {413, "PAYLOAD_TOO_LARGE"},
    [API_SESSION_LIMIT] = {429, "SESSION_LIMIT"},
    [API_TOO_MANY] = {429, "TOO_MANY_REQUESTS"},
    [API_INTERNAL_ERROR] = {500, "INTERNAL_ERROR"},
    [API_LMX_UNREACHABLE] = {502, "LMX_UNREACHABLE"},
    [API_SHUTTING_DOWN] = {503, "SHUTTING_DOWN"},
    [API_STORAGE_FULL] = {507, "STORAGE_FULL"},
};

const char *api_error_code(enum api_error e)
{
	assert((size_t)e < sizeof table / sizeof table[0]);
	return table[e].code;
}

int api_error_status(enum api_error e)
{
	assert((size_t)e < sizeof table / sizeof table[0]);
	return table[e].status;
}

void api_error_put(struct buf *out, enum api_error e, const char *sentence, const char *details)
{
	buf_adds(out, "{\"error\":");
	json_put_cstr(out, sentence);
	buf_adds(out, ",\"code\":");
	json_put_cstr(out, api_error_code(e));
	buf_adds(out, ",\"details\":[");
	buf_adds(out, details ? details : "");
	buf_adds(out, "]}");
}

const char *http_status_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} texts[] = {
	    {101, "Switching Protocols"},
	    {200, "OK"},
	    {201, "Created"},
	    {202, "Accepted"},
	    {204, "No Content"},
	    {400, "Bad Request"},
	    {401, "Unauthorized"},
	    {403, "Forbidden"},
	    {404, "Not Found"},
	    {405, "Method Not Allowed"},
	    {408, "Request Timeout"},
	    {409, "Conflict"},
	    {413, "Content Too Large"},
	    {415, "Unsupported Media Type"},
	    {426, "Upgrade Required"},
	    {429, "Too Many Requests"},
	    {431, "Request Header Fields Too Large"},
	    {500, "Internal Server Error"},
	    {502, "Bad Gateway"},
	    {503, "Service Unavailable"},
	    {507, "Insufficient Storage"},
	};

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (texts[i].status == status)
			return texts[i].text;
	return "Status";
}
