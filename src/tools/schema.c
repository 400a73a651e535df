/* Arguments against a schema. */
#include "tools/schema.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"

static int check(const json_t *schema, const json_t *v, const char *where, struct err *reterr);

static bool has_type(const json_t *v, const char *type)
{
	if (strcmp(type, "string") == 0)
		return json_is_string(v);
	if (strcmp(type, "integer") == 0)
		return json_is_integer(v);
	if (strcmp(type, "boolean") == 0)
		return json_is_boolean(v);
	if (strcmp(type, "array") == 0)
		return json_is_array(v);
	return strcmp(type, "object") == 0 && json_is_object(v);
}

static const char *type_of(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "a whole number";
	case JSON_REAL:
		return "a number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a boolean";
	case JSON_NULL:
		return "null";
	}
	return "something else";
}

static void join(char *out, size_t size, const char *where, const char *name)
{
	snprintf(out, size, "%s%s%s", where, where[0] ? "." : "", name);
}

/* The names of properties, for who guessed one. */
static void list_names(const json_t *properties, char *out, size_t size)
{
	const char *name;
	json_t *v;
	size_t n = 0;

	out[0] = '\0';
	json_object_foreach ((json_t *)(uintptr_t)properties, name, v) {
		if (n < size)
			n += (size_t)snprintf(out + n, size - n, "%s%s", n ? ", " : "", name);
	}
}

static int check_object(
    const json_t *schema, const json_t *v, const char *where, struct err *reterr)
{
	const json_t *properties = json_object_get(schema, "properties"), *one;
	char path[200], names[300];
	const char *name;
	json_t *value;
	size_t i;

	json_array_foreach (json_object_get(schema, "required"), i, one) {
		name = json_string_value(one);
		if (!json_object_get(v, name)) {
			join(path, sizeof path, where, name);
			return err_set(reterr, ERR_RANGE, "the argument \"%s\" is missing", path);
		}
	}
	json_object_foreach ((json_t *)(uintptr_t)v, name, value) {
		const json_t *sub = json_object_get(properties, name);
		int rc;

		join(path, sizeof path, where, name);
		if (!sub) {
			list_names(properties, names, sizeof names);
			return err_set(reterr, ERR_RANGE,
			    "there is no argument \"%.100s\"; there are %s", path,
			    names[0] ? names : "none");
		}
		rc = check(sub, value, path, reterr);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int check_length(const json_t *schema, const char *low, const char *high, size_t n,
    const char *unit, const char *where, struct err *reterr)
{
	int64_t min = json_int(schema, low, 0), max = json_int(schema, high, INT64_MAX);

	if ((int64_t)n < min)
		return err_set(reterr, ERR_RANGE, "\"%s\" must have at least %lld %s", where,
		    (long long)min, unit);
	if ((int64_t)n > max)
		return err_set(reterr, ERR_RANGE, "\"%s\" must have at most %lld %s, it has %zu",
		    where, (long long)max, unit, n);
	return 0;
}

static int check_enum(const json_t *choices, const json_t *v, const char *where, struct err *reterr)
{
	char all[300];
	const json_t *one;
	size_t i, n = 0;

	all[0] = '\0';
	json_array_foreach (choices, i, one) {
		if (json_equal(one, v))
			return 0;
		if (n < sizeof all)
			n += (size_t)snprintf(
			    all + n, sizeof all - n, "%s%s", n ? ", " : "", json_string_value(one));
	}
	return err_set(reterr, ERR_RANGE, "\"%s\" must be one of %s", where, all);
}

static int check(const json_t *schema, const json_t *v, const char *where, struct err *reterr)
{
	const char *type = json_cstr(schema, "type", "object");
	const json_t *choices = json_object_get(schema, "enum"), *one;
	char path[200];
	int rc = 0;
	size_t i;

	if (!has_type(v, type))
		return err_set(reterr, ERR_RANGE, "%s%s%s must be %s %s, not %s",
		    where[0] ? "\"" : "", where[0] ? where : "the arguments", where[0] ? "\"" : "",
		    strchr("aeio", type[0]) ? "an" : "a", type, type_of(v));
	if (choices)
		return check_enum(choices, v, where, reterr);
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return check_object(schema, v, where, reterr);
	case JSON_STRING:
		return check_length(schema, "minLength", "maxLength", json_string_length(v),
		    "bytes", where, reterr);
	case JSON_INTEGER: {
		int64_t min = json_int(schema, "minimum", INT64_MIN),
			max = json_int(schema, "maximum", INT64_MAX), n = json_integer_value(v);

		if (n < min || n > max)
			return err_set(reterr, ERR_RANGE,
			    "\"%s\" must be from %lld to %lld, not %lld", where, (long long)min,
			    (long long)max, (long long)n);
		return 0;
	}
	case JSON_ARRAY:
		rc = check_length(
		    schema, "minItems", "maxItems", json_array_size(v), "items", where, reterr);
		json_array_foreach ((json_t *)(uintptr_t)v, i, one) {
			if (rc != 0)
				break;
			snprintf(path, sizeof path, "%.150s[%zu]", where, i);
			rc = check(json_object_get(schema, "items"), one, path, reterr);
		}
		return rc;
	case JSON_REAL:
	case JSON_TRUE:
	case JSON_FALSE:
	case JSON_NULL:
		return 0;
	}
	return 0;
}

int schema_check(const char *schema, const json_t *args, struct err *reterr)
{
	json_t *root = NULL;
	int rc = json_parse(schema, strlen(schema), &root, NULL);

	/* Our own text. */
	assert(rc == 0);
	rc = check(root, args, "", reterr);
	json_decref(root);
	return rc;
}

/* The value a text stands for where type is wanted, or NULL. */
static json_t *value_of_text(const char *type, const char *text)
{
	json_t *value;
	bool fits;

	if (strcmp(type, "integer") != 0 && strcmp(type, "number") != 0 &&
	    strcmp(type, "boolean") != 0)
		return NULL;
	value = json_loads(text, JSON_DECODE_ANY, NULL);
	fits = strcmp(type, "boolean") == 0   ? json_is_boolean(value)
	       : strcmp(type, "integer") == 0 ? json_is_integer(value)
					      : json_is_number(value);
	if (!fits) {
		json_decref(value);
		return NULL;
	}
	return value;
}

bool schema_mend(const char *schema, json_t *args)
{
	json_t *root = json_loads(schema, 0, NULL), *property;
	bool changed = false;
	const char *name;

	json_object_foreach (json_object_get(root, "properties"), name, property) {
		const char *type = json_string_value(json_object_get(property, "type"));
		json_t *arg = json_object_get(args, name), *value;

		if (!type || !json_is_string(arg) ||
		    !(value = value_of_text(type, json_string_value(arg))))
			continue;
		json_object_set_new(args, name, value);
		changed = true;
	}
	json_decref(root);
	return changed;
}
