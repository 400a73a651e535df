/* Error codes and the sentence that goes with them. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>

static const struct {
	int code;
	const char *name;
} own_names[] = {
    {ERR_LIMIT, "ERR_LIMIT"},
    {ERR_SYNTAX, "ERR_SYNTAX"},
    {ERR_RANGE, "ERR_RANGE"},
    {ERR_UNKNOWN, "ERR_UNKNOWN"},
    {ERR_CORRUPT, "ERR_CORRUPT"},
    {ERR_VERSION, "ERR_VERSION"},
    {ERR_CLOSED, "ECONNCLOSED"},
    {ERR_TIMEOUT, "ETIMEDOUT"},
    {ERR_BUSY, "ERR_BUSY"},
    {ERR_FULL, "ERR_FULL"},
    {ERR_REFUSED, "ERR_REFUSED"},
};

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	if (e) {
		e->code = code;
		va_start(ap, fmt);
		vsnprintf(e->text, sizeof e->text, fmt, ap);
		va_end(ap);
	}
	return code;
}

const char *err_name(int code)
{
	const char *name;

	for (size_t i = 0; i < sizeof own_names / sizeof own_names[0]; i++)
		if (own_names[i].code == code)
			return own_names[i].name;
	name = strerrorname_np(-code);
	return name ? name : "EUNKNOWN";
}
