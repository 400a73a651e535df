/* Base64, with the examples of RFC 4648, section 10. */
#include "unit.h"

#include "base/base64.h"
#include "base/buf.h"

static const struct {
	const char *plain, *text;
} examples[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"\xFB\xFF\xBF", "+/+/"},
};

static void bytes_become_text_and_come_back(void **state)
{
	for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
		struct buf text = {0}, plain = {0};

		base64_put(&text, examples[i].plain, strlen(examples[i].plain));
		assert_string_equal(buf_cstr(&text), examples[i].text);
		assert_true(base64_take(&plain, str_of(examples[i].text)));
		assert_string_equal(buf_cstr(&plain), examples[i].plain);
		buf_finish(&text);
		buf_finish(&plain);
	}
}

static void what_is_no_base64_is_refused(void **state)
{
	static const char *const bad[] = {"Z", "Zg",
	    "Zg=", "Zg===", "Z===", "====", "Zg==Zg==", "Zm9v\n", "Zm 9", "Zm9-", "Zh==", "Zm9="};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct buf plain = {0};

		if (base64_take(&plain, str_of(bad[i])))
			fail_msg("\"%s\" was taken", bad[i]);
		buf_finish(&plain);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bytes_become_text_and_come_back),
	    cmocka_unit_test(what_is_no_base64_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
