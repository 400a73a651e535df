/* A doubly linked list. */
#include "unit.h"

#include "base/list.h"

struct item {
	int n;
	struct list link;
};

static void order_is(struct list *head, const char *want)
{
	char have[32] = "";
	size_t at = 0;

	list_each (l, head) {
		have[at++] = (char)('0' + list_entry(l, struct item, link)->n);
	}
	assert_string_equal(have, want);
}

static void members_stay_in_the_order_they_came(void **state)
{
	struct item items[3] = {{.n = 1}, {.n = 2}, {.n = 3}};
	struct list head;

	list_init(&head);
	assert_true(list_empty(&head));
	order_is(&head, "");
	for (int i = 0; i < 3; i++)
		list_append(&head, &items[i].link);
	order_is(&head, "123");
	list_remove(&items[1].link);
	order_is(&head, "13");
	list_append(&head, &items[1].link);
	order_is(&head, "132");
}

static void removing_twice_is_harmless(void **state)
{
	struct item a = {.n = 1}, b = {.n = 2};
	struct list head;

	list_init(&head);
	list_append(&head, &a.link);
	list_append(&head, &b.link);
	list_remove(&a.link);
	list_remove(&a.link);
	order_is(&head, "2");
	assert_true(list_empty(&a.link));
}

static void the_safe_walk_may_remove_its_member(void **state)
{
	struct item items[3] = {{.n = 1}, {.n = 2}, {.n = 3}};
	struct list head;

	list_init(&head);
	for (int i = 0; i < 3; i++)
		list_append(&head, &items[i].link);
	list_each_safe (l, &head) {
		if (list_entry(l, struct item, link)->n != 2)
			list_remove(l);
	}
	order_is(&head, "2");
}

static void splicing_moves_all_to_the_end(void **state)
{
	struct item items[4] = {{.n = 1}, {.n = 2}, {.n = 3}, {.n = 4}};
	struct list a, b;

	list_init(&a);
	list_init(&b);
	list_splice(&a, &b);
	assert_true(list_empty(&a));
	for (int i = 0; i < 4; i++)
		list_append(i < 2 ? &a : &b, &items[i].link);
	list_splice(&a, &b);
	order_is(&a, "1234");
	assert_true(list_empty(&b));
	list_splice(&b, &a);
	order_is(&b, "1234");
	assert_true(list_empty(&a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(members_stay_in_the_order_they_came),
	    cmocka_unit_test(removing_twice_is_harmless),
	    cmocka_unit_test(the_safe_walk_may_remove_its_member),
	    cmocka_unit_test(splicing_moves_all_to_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
