/* model/target: what counts as this machine, and as the same server. */
#include "model/target.h"

#include "unit.h"

static struct target parse(const char *text)
{
	struct target t;

	assert_int_equal(target_parse(text, 1234, &t, NULL), 0);
	return t;
}

static void this_machine_is_told_by_its_name_or_address_alone(void **state)
{
	static const char *const local[] = {"localhost", "LOCALHOST:80", "127.0.0.1", "127.9.8.7:1",
	    "[::1]:8080", "::1", "http://localhost/v1", "https://127.0.0.1"};
	static const char *const other[] = {"lmx-host.local", "localhost.evil.com",
	    "127.0.0.1.nip.io", "127.1", "10.0.0.1", "0.0.0.0", "128.0.0.1", "[::]", "[fe80::1]",
	    "127.0.0.1x", "xlocalhost", "[::ffff:10.0.0.1]:80", "::2"};

	for (size_t i = 0; i < sizeof local / sizeof local[0]; i++) {
		struct target t = parse(local[i]);

		assert_true(target_is_local(&t));
	}
	for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
		struct target t = parse(other[i]);

		assert_false(target_is_local(&t));
	}
}

static void a_server_is_its_host_and_port_and_loses_no_encryption(void **state)
{
	static const struct {
		const char *now, *then;
		bool same;
	} cases[] = {
	    {"models.example", "MODELS.example:1234", true},
	    {"models.example/api", "models.example/v1", true},
	    {"models.example:1", "models.example:2", false},
	    {"models.example", "models.example.evil.com", false},
	    {"https://models.example", "https://models.example:443", true},
	    {"http://models.example:443", "https://models.example", false},
	    {"https://models.example:1234", "models.example", true},
	    {"10.0.0.1", "10.0.0.10", false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct target now = parse(cases[i].now), then = parse(cases[i].then);

		assert_int_equal(target_same(&now, &then), cases[i].same);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(this_machine_is_told_by_its_name_or_address_alone),
	    cmocka_unit_test(a_server_is_its_host_and_port_and_loses_no_encryption),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
