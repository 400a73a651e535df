#ifndef PROTOCOL_ERRORS_H
#define PROTOCOL_ERRORS_H

/*
 * The error codes a client can meet in an HTTP body or a WebSocket frame, each
 * with its HTTP status, and the one shape of an error body. Pure; any thread.
 */

#include <stddef.h>

struct buf;

enum api_error {
	API_OK,
	API_UNAUTHORIZED,
	API_FORBIDDEN_HOST,
	API_FORBIDDEN_ORIGIN,
	API_INVALID_REQUEST,
	API_HEADER_TOO_LARGE, /* INVALID_REQUEST with status 431 */
	API_NOT_FOUND,
	API_SESSION_NOT_FOUND,
	API_METHOD_NOT_ALLOWED,
	API_CONFLICT,
	API_PAYLOAD_TOO_LARGE,
	API_SESSION_LIMIT,
	API_TOO_MANY, /* SESSION_LIMIT's status, for connections and queues */
	API_INTERNAL_ERROR,
	API_LMX_UNREACHABLE,
	API_SHUTTING_DOWN,
	API_STORAGE_FULL,
};

/* "SESSION_NOT_FOUND". Static text. */
const char *api_error_code(enum api_error e);

/* 404. */
int api_error_status(enum api_error e);

/*
 * Append {"error":sentence,"code":CODE,"details":[…]}. details is the inside of
 * the array as JSON text, or NULL for an empty one.
 */
void api_error_put(struct buf *out, enum api_error e, const char *sentence, const char *details);

/* The reason phrase of an HTTP status we send. Static text. */
const char *http_status_text(int status);

#endif
