/* Calls put together from pieces: whatever the cuts, the call is the same. */
#include "unit.h"

#include "base/str.h"
#include "model/assembly.h"
#include "model/delta.h"

static const char args[] = "{\"path\":\"a.txt\",\"n\":[1,{\"b\":\"}\\\"{\"}]}";

static struct delta_tool piece(const char *id, const char *name, const char *p, size_t n)
{
	return (struct delta_tool){.has_index = true,
	    .id = {id, id ? strlen(id) : 0},
	    .name = {name, name ? strlen(name) : 0},
	    .arguments = {p, n}};
}

static void check_one(struct assembly *a)
{
	assembly_finish(a);
	assert_int_equal(a->count, 1);
	assert_string_equal(buf_cstr(&a->calls[0].name), "read_file");
	assert_string_equal(buf_cstr(&a->calls[0].arguments), args);
	assembly_free(a);
}

static void any_two_cuts_give_the_same_call(void **state)
{
	size_t n = sizeof args - 1;

	for (size_t one = 0; one <= n; one++)
		for (size_t two = one; two <= n; two++) {
			struct assembly a = {0};
			struct delta_tool first = piece("c", "read_file", args, one),
					  second = piece(NULL, NULL, args + one, two - one),
					  third = piece("c", "read_file", args + two, n - two);

			assert_true(assembly_take(&a, &first));
			assert_true(assembly_take(&a, &second));
			assert_true(assembly_take(&a, &third));
			check_one(&a);
		}
}

/* All so far with each piece, and all once more at the end. */
static void arguments_may_grow_and_be_repeated(void **state)
{
	size_t n = sizeof args - 1;

	for (size_t step = 9; step <= n; step++) {
		struct assembly a = {0};
		struct delta_tool whole = piece(NULL, NULL, args, n);

		for (size_t end = step; end < n; end += step) {
			struct delta_tool so_far = piece("c", "read_file", args, end);

			assert_true(assembly_take(&a, &so_far));
			/* Only a value may follow these: what comes next could be one. */
			if (strchr(":,[", args[end - 1]))
				end += n;
		}
		whole.name = str_of("read_file");
		assert_true(assembly_take(&a, &whole));
		assert_true(assembly_take(&a, &whole));
		check_one(&a);
	}
}

static void too_many_and_too_long_is_refused(void **state)
{
	struct assembly a = {0};
	struct buf long_name = {0};
	struct delta_tool named;
	char id[16];

	for (size_t i = 0; i < ASSEMBLY_MAX_CALLS; i++) {
		snprintf(id, sizeof id, "c%zu", i);
		named = piece(id, "n", "{}", 2);
		named.index = i;
		assert_true(assembly_take(&a, &named));
	}
	named = piece("last", "n", "{}", 2);
	named.index = ASSEMBLY_MAX_CALLS;
	assert_false(assembly_take(&a, &named));
	assembly_free(&a);
	for (size_t i = 0; i <= ASSEMBLY_MAX_NAME; i++)
		buf_addc(&long_name, 'x');
	named = piece("c", buf_cstr(&long_name), "", 0);
	assert_false(assembly_take(&a, &named));
	assembly_free(&a);
	buf_finish(&long_name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(any_two_cuts_give_the_same_call),
	    cmocka_unit_test(arguments_may_grow_and_be_repeated),
	    cmocka_unit_test(too_many_and_too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
