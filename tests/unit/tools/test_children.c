/* tools/children: all of them, however many there are. */
#include "tools/children.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

static void a_thousand_children_are_all_listed(void **state)
{
	enum { MANY = 1000 };
	static pid_t made[MANY], listed[2 * MANY], few[10];
	size_t count;

	assert_int_equal(children_list(listed, 2 * MANY), 0);
	for (size_t i = 0; i < MANY; i++) {
		made[i] = fork();
		if (made[i] == 0) {
			pause();
			_exit(0);
		}
		assert_true(made[i] > 0);
	}
	count = children_list(listed, 2 * MANY);
	/* No more are written than there is room for. */
	assert_int_equal(children_list(few, 10), MANY);
	for (size_t i = 0; i < MANY; i++)
		kill(made[i], SIGKILL);
	for (size_t i = 0; i < MANY; i++)
		waitpid(made[i], NULL, 0);
	assert_int_equal(count, MANY);
	for (size_t i = 0; i < MANY; i++) {
		bool found = false;

		for (size_t k = 0; k < count; k++)
			found |= listed[k] == made[i];
		assert_true(found);
	}
	assert_int_equal(children_list(listed, 2 * MANY), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_thousand_children_are_all_listed)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
