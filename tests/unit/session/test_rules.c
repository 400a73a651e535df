/* session/rules: what runs, what is asked, what is refused; tables. */
#include "session/rules.h"

#include "base/buf.h"
#include "base/config.h"
#include "base/json.h"
#include "tools/tool.h"
#include "unit.h"

static json_t *json_of(const char *text)
{
	json_t *json = NULL;

	assert_int_equal(json_parse(text, strlen(text), &json, NULL), 0);
	return json;
}

enum { AUTO = 1, DANGEROUS = 2, ALONE = 4 };

static void each_call_gets_its_verdict(void **state)
{
	static const struct {
		const char *tool, *args, *mode;
		int overrides;
		const char *setting; /* KEY=VALUE, NULL: as they are */
		const char *rules;   /* remembered, NULL: none */
		enum rules_verdict verdict;
		const char *why; /* part of it */
	} rows[] = {
	    {"read_file", "{\"path\":\"a\"}", "do", 0, NULL, NULL, RULES_ALLOW, ""},
	    {"read_file", "{\"path\":\"/w/a\"}", "plan", 0, NULL, NULL, RULES_ALLOW, ""},
	    {"read_file", "{\"path\":\"/etc/passwd\"}", "do", 0, NULL, NULL, RULES_ASK, ""},
	    {"read_file", "{\"path\":\"../x\"}", "do", 0, NULL, NULL, RULES_ASK, ""},
	    {"read_file", "{\"path\":\"a/../../w2/x\"}", "do", AUTO, NULL, NULL, RULES_ASK, ""},
	    {"read_file", "{\"path\":\"/w2/x\"}", "do", 0, NULL, NULL, RULES_ASK, ""},
	    {"read_file", "{\"path\":\"/etc/passwd\"}", "do", DANGEROUS, NULL, NULL, RULES_ALLOW,
		""},
	    {"read_file", "{\"path\":\"/etc/passwd\"}", "do", ALONE, NULL, NULL, RULES_DENY,
		"outside the workspace"},
	    {"read_file", "{\"path\":\"a\"}", "do", 0, "permissions.read_file=ask", NULL, RULES_ASK,
		""},
	    {"read_file", "{\"path\":\"a\"}", "do", DANGEROUS, "permissions.read_file=deny", NULL,
		RULES_DENY, "permissions.read_file"},
	    {"write_file", "{\"path\":\"a\",\"content\":\"\"}", "do", 0, NULL, NULL, RULES_ASK, ""},
	    {"write_file", "{\"path\":\"a\",\"content\":\"\"}", "do", AUTO, NULL, NULL, RULES_ALLOW,
		""},
	    {"write_file", "{\"path\":\"/a\",\"content\":\"\"}", "do", AUTO, NULL, NULL, RULES_ASK,
		""},
	    {"write_file", "{\"path\":\"/a\",\"content\":\"\"}", "do", 0,
		"permissions.write_file=allow", NULL, RULES_ASK, ""},
	    {"write_file", "{\"path\":\"a\",\"content\":\"\"}", "plan", DANGEROUS, NULL, NULL,
		RULES_DENY, "in mode plan"},
	    {"write_file", "{\"path\":\"a\",\"content\":\"\"}", "review", AUTO, NULL, NULL,
		RULES_DENY, "in mode review"},
	    {"write_file", "{\"path\":\"a\",\"content\":\"\"}", "do", ALONE, NULL, NULL, RULES_DENY,
		"--non-interactive"},
	    {"write_file", "{\"path\":\"a\",\"content\":\"\"}", "do", ALONE | AUTO, NULL, NULL,
		RULES_ALLOW, ""},
	    /* What one tool may not do, no other does in its place. */
	    {"search_files", "{\"pattern\":\"a\"}", "do", DANGEROUS, "permissions.read_file=deny",
		NULL, RULES_DENY, "permissions.read_file"},
	    {"find_files", "{\"pattern\":\"a\"}", "do", 0, "permissions.read_file=deny", NULL,
		RULES_ALLOW, ""},
	    {"find_files", "{\"pattern\":\"a\"}", "do", 0, "permissions.list_dir=deny", NULL,
		RULES_DENY, "permissions.list_dir"},
	    {"edit_file", "{\"path\":\"a\",\"old\":\"a\",\"new\":\"b\"}", "do", AUTO,
		"permissions.write_file=deny", NULL, RULES_DENY, "permissions.write_file"},
	    {"multi_edit", "{\"path\":\"a\",\"edits\":[]}", "do", DANGEROUS,
		"permissions.write_file=deny", NULL, RULES_DENY, "permissions.write_file"},
	    {"multi_edit", "{\"path\":\"a\",\"edits\":[]}", "do", AUTO,
		"permissions.edit_file=deny", NULL, RULES_DENY, "permissions.edit_file"},
	    {"edit_file", "{\"path\":\"a\",\"old\":\"a\",\"new\":\"b\"}", "do", AUTO,
		"permissions.multi_edit=deny", NULL, RULES_DENY, "permissions.multi_edit"},
	    {"bg_start", "{\"command\":\"ls\"}", "do", DANGEROUS, "permissions.run_command=deny",
		NULL, RULES_DENY, "permissions.run_command"},
	    {"run_command", "{\"command\":\"ls\"}", "do", DANGEROUS, "permissions.bg_start=deny",
		NULL, RULES_ALLOW, ""},
	    {"read_file", "{\"path\":\"a\"}", "do", 0, "permissions.search_files=deny", NULL,
		RULES_ALLOW, ""},
	    {"multi_edit", "{\"path\":\"a\",\"edits\":[]}", "do", AUTO, NULL,
		"[{\"tool\":\"write_file\",\"match\":\"\",\"decision\":\"deny\"}]", RULES_DENY,
		"denied it for this session"},
	    {"search_files", "{\"pattern\":\"a\"}", "do", 0, NULL,
		"[{\"tool\":\"read_file\",\"match\":\"\",\"decision\":\"deny\"}]", RULES_DENY,
		"denied it for this session"},
	    {"multi_edit", "{\"path\":\"a\",\"edits\":[]}", "do", 0, NULL,
		"[{\"tool\":\"write_file\",\"match\":\"\",\"decision\":\"allow\"}]", RULES_ASK, ""},
	    {"delete_file", "{\"path\":\"a\"}", "do", AUTO, NULL, NULL, RULES_ASK, ""},
	    {"delete_file", "{\"path\":\"a\"}", "do", DANGEROUS, NULL, NULL, RULES_ALLOW, ""},
	    {"run_command", "{\"command\":\"ls\"}", "do", AUTO, NULL, NULL, RULES_ASK, ""},
	    {"run_command", "{\"command\":\"ls\"}", "research", DANGEROUS, NULL, NULL, RULES_DENY,
		"in mode research"},
	    {"run_command", "{\"command\":\"ls\",\"cwd\":\"/\"}", "do", 0,
		"permissions.run_command=allow", NULL, RULES_ASK, ""},
	    {"bg_start", "{\"command\":\"ls\"}", "plan", DANGEROUS, NULL, NULL, RULES_DENY, "plan"},
	    {"bg_kill", "{\"processId\":\"x\"}", "plan", 0, NULL, NULL, RULES_DENY, "plan"},
	    {"ask_user", "{\"question\":\"?\"}", "plan", DANGEROUS, NULL, NULL, RULES_ASK, ""},
	    {"ask_user", "{\"question\":\"?\"}", "do", ALONE, NULL, NULL, RULES_DENY,
		"nobody is there to answer"},
	    /* What was remembered. */
	    {"run_command", "{\"command\":\"make\"}", "do", 0, NULL,
		"[{\"tool\":\"run_command\",\"match\":\"[\\\"make\\\",\\\".\\\"]\",\"decision\":"
		"\"allow\"}]",
		RULES_ALLOW, ""},
	    {"run_command", "{\"command\":\"make x\"}", "do", 0, NULL,
		"[{\"tool\":\"run_command\",\"match\":\"[\\\"make\\\",\\\".\\\"]\",\"decision\":"
		"\"allow\"}]",
		RULES_ASK, ""},
	    {"bg_start", "{\"command\":\"make\"}", "do", 0, NULL,
		"[{\"tool\":\"run_command\",\"match\":\"[\\\"make\\\",\\\".\\\"]\",\"decision\":"
		"\"allow\"}]",
		RULES_ASK, ""},
	    {"run_command", "{\"command\":\"make\",\"cwd\":\"/\"}", "do", 0, NULL,
		"[{\"tool\":\"run_command\",\"match\":\"[\\\"make\\\",\\\"/\\\"]\",\"decision\":"
		"\"allow\"}]",
		RULES_ASK, ""},
	    {"write_file", "{\"path\":\"a\",\"content\":\"\"}", "do", AUTO, NULL,
		"[{\"tool\":\"write_file\",\"match\":\"\",\"decision\":\"deny\"}]", RULES_DENY,
		"the person denied it"},
	    {"write_file", "{\"path\":\"/a\",\"content\":\"\"}", "do", 0, NULL,
		"[{\"tool\":\"write_file\",\"match\":\"\",\"decision\":\"allow\"}]", RULES_ASK, ""},
	    {"write_file", "{\"path\":\"a\",\"content\":\"\"}", "plan", 0, NULL,
		"[{\"tool\":\"write_file\",\"match\":\"\",\"decision\":\"allow\"}]", RULES_DENY,
		"plan"},
	    /* The last word counts. */
	    {"write_file", "{\"path\":\"a\",\"content\":\"\"}", "do", 0, NULL,
		"[{\"tool\":\"write_file\",\"match\":\"\",\"decision\":\"deny\"},"
		"{\"tool\":\"write_file\",\"match\":\"\",\"decision\":\"allow\"}]",
		RULES_ALLOW, ""},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct config *config = config_new();
		json_t *args = json_of(rows[i].args),
		       *rules = rows[i].rules ? json_of(rows[i].rules) : NULL;
		char why[400], key[80];
		enum rules_verdict verdict;

		if (rows[i].setting) {
			const char *value = strchr(rows[i].setting, '=');

			snprintf(key, sizeof key, "%.*s", (int)(value - rows[i].setting),
			    rows[i].setting);
			assert_int_equal(config_set(config, key, value + 1, NULL), 0);
		}
		verdict = rules_decide(
		    &(struct rules_question){.config = config,
			.mode = rows[i].mode,
			.overrides =
			    &(struct turn_overrides){.allow_edits = rows[i].overrides & AUTO,
				.allow_all = rows[i].overrides & DANGEROUS,
				.non_interactive = rows[i].overrides & ALONE},
			.tool = tool_find(rows[i].tool),
			.args = args,
			.workspace = "/w",
			.remembered = rules},
		    why, sizeof why);
		if (verdict != rows[i].verdict)
			fail_msg("row %zu, %s %s: got %d (%s)", i, rows[i].tool, rows[i].args,
			    (int)verdict, why);
		assert_holds(why, rows[i].why);
		json_decref(args);
		json_decref(rules);
		config_free(config);
	}
}

static void a_remembered_decision_holds_for_exactly_this(void **state)
{
	static const struct {
		const char *tool, *args, *match; /* NULL: it cannot be remembered */
	} rows[] = {
	    {"write_file", "{\"path\":\"a\"}", ""},
	    {"write_file", "{\"path\":\"/w/../a\"}", NULL},
	    {"run_command", "{\"command\":\"a \\\" b\\n\"}", "[\"a \\\" b\\n\",\".\"]"},
	    {"run_command", "{\"command\":\"a\",\"cwd\":\"sub\"}", "[\"a\",\"sub\"]"},
	    {"run_command", "{\"command\":\"a\",\"cwd\":\"/tmp\"}", NULL},
	    {"bg_start", "{\"command\":\"a\"}", "[\"a\",\".\"]"},
	    {"bg_kill", "{\"processId\":\"x\"}", ""},
	    {"ask_user", "{\"question\":\"a\"}", NULL},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		json_t *args = json_of(rows[i].args);
		struct buf match = {0};
		bool can = rules_match(tool_find(rows[i].tool), args, "/w", &match);

		assert_int_equal(can, rows[i].match != NULL);
		if (can)
			assert_string_equal(buf_cstr(&match), rows[i].match);
		buf_finish(&match);
		json_decref(args);
	}
}

static void a_path_lies_where_its_text_says(void **state)
{
	static const struct {
		const char *workspace, *path, *outside; /* NULL: it lies in it */
	} rows[] = {
	    {"/w", "a", NULL},
	    {"/w", ".", NULL},
	    {"/w", "/w", NULL},
	    {"/w", "//w//a/.", NULL},
	    {"/w", "a/..", NULL},
	    {"/w", "..", "/"},
	    {"/w", "../w", NULL},
	    {"/w", "../../../../x", "/x"},
	    {"/w", "/w2", "/w2"},
	    {"/w/sub", "../a", "/w/a"},
	    {"/w/sub", "/w", "/w"},
	    {"/w", "/w/../w2/./b//c", "/w2/b/c"},
	    {"/w", "...", NULL},
	    {"/w", "a\n/../..", "/"},
	    {"/w", "~", NULL},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		json_t *args = json_pack("{s:s}", "path", rows[i].path);
		struct buf path = {0};
		bool outside =
		    rules_outside(tool_find("read_file"), args, rows[i].workspace, &path);

		if (outside != (rows[i].outside != NULL))
			fail_msg("%s in %s: %d", rows[i].path, rows[i].workspace, (int)outside);
		if (outside)
			assert_string_equal(buf_cstr(&path), rows[i].outside);
		buf_finish(&path);
		json_decref(args);
	}
}

static void what_is_never_allowed_is_not_offered(void **state)
{
	struct config *config = config_new();
	struct turn_overrides none = {0}, alone = {.non_interactive = true};

	assert_int_equal(config_set(config, "permissions.delete_file", "deny", NULL), 0);
	assert_true(rules_never(config, "plan", &none, tool_find("write_file")));
	assert_false(rules_never(config, "plan", &none, tool_find("read_file")));
	assert_true(rules_never(config, "do", &none, tool_find("delete_file")));
	assert_false(rules_never(config, "do", &none, tool_find("ask_user")));
	assert_true(rules_never(config, "do", &alone, tool_find("ask_user")));
	assert_false(rules_never(config, "do", &alone, tool_find("write_file")));
	config_free(config);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_call_gets_its_verdict),
	    cmocka_unit_test(a_remembered_decision_holds_for_exactly_this),
	    cmocka_unit_test(a_path_lies_where_its_text_says),
	    cmocka_unit_test(what_is_never_allowed_is_not_offered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
