/*
 * opta completions bash|zsh|fish: a script for the shell, which asks `opta completions list` for
 * each candidate; so it is never older than the commands.
 */
#include "base/buf.h"
#include "cli/cmd.h"
#include "cli/complete.h"
#include "cli/term.h"

static const char bash[] =
    "# opta for bash: eval \"$(opta completions bash)\" in ~/.bashrc\n"
    "_opta() {\n"
    "\tlocal line quoted\n"
    "\tCOMPREPLY=()\n"
    /* A name is whatever its server calls it: quoted, so that Enter runs nothing in it. */
    "\twhile IFS= read -r line; do\n"
    "\t\tprintf -v quoted %q \"${line%%$'\\t'*}\"\n"
    "\t\tCOMPREPLY+=(\"$quoted\")\n"
    "\tdone < <(\"$1\" completions list -- \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
    "\tif [ ${#COMPREPLY[@]} -eq 0 ]; then compopt -o default; fi\n"
    "}\n"
    "complete -F _opta opta\n";

static const char zsh[] =
    "#compdef opta\n"
    "# opta for zsh: eval \"$(opta completions zsh)\" in ~/.zshrc, after compinit\n"
    "_opta() {\n"
    "\tlocal line name\n"
    "\tlocal -a found\n"
    "\twhile IFS= read -r line; do\n"
    "\t\tname=${line%%$'\\t'*}\n"
    "\t\tfound+=(\"${name//:/\\\\:}:${${line#$name}#$'\\t'}\")\n"
    "\tdone < <($words[1] completions list -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
    "\tif (( $#found )); then _describe opta found; else _files; fi\n"
    "}\n"
    "compdef _opta opta\n";

static const char fish[] =
    "# opta for fish: opta completions fish > ~/.config/fish/completions/opta.fish\n"
    "function __opta_candidates\n"
    "\tset -l words (commandline -opc)\n"
    "\t$words[1] completions list -- $words[2..-1] (commandline -ct) 2>/dev/null\n"
    "end\n"
    "complete -c opta -f -a '(__opta_candidates)'\n"
    "complete -c opta -F -n '__fish_seen_subcommand_from import support; or __fish_prev_arg_in "
    "--output'\n";

static const struct {
	const char *name, *script;
} shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};

static int list(const struct cmd_line *line)
{
	struct buf out = {0};

	complete_put(&out, line->words + 1, line->count - 1);
	term_write(&out);
	buf_finish(&out);
	return EXIT_DONE;
}

int cmd_completions(const struct cmd_line *line)
{
	const char *name = line->count ? line->words[0] : "";

	if (strcmp(name, "list") == 0)
		return list(line);
	for (size_t i = 0; i < sizeof shells / sizeof shells[0]; i++)
		if (line->count == 1 && strcmp(shells[i].name, name) == 0) {
			fputs(shells[i].script, stdout);
			return EXIT_DONE;
		}
	return cmd_usage("completions", "completions needs bash, zsh or fish");
}
