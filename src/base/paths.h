#ifndef BASE_PATHS_H
#define BASE_PATHS_H

/*
 * Where opta keeps things. Computed once from the environment: OPTA_HOME, else
 * $XDG_CONFIG_HOME/opta, else $HOME/.config/opta, else the password file's home.
 * Any thread after paths_init.
 */

struct err;

enum { PATHS_MAX = 1024 };

struct paths {
	char home[PATHS_MAX];	       /* the directory of everything below */
	char config[PATHS_MAX];	       /* home/config.json */
	char daemon_dir[PATHS_MAX];    /* home/daemon */
	char state[PATHS_MAX];	       /* home/daemon/state.json */
	char log[PATHS_MAX];	       /* home/daemon/daemon.log */
	char daemon_lock[PATHS_MAX];   /* home/daemon/daemon.lock */
	char start_lock[PATHS_MAX];    /* home/start.lock */
	char sessions_dir[PATHS_MAX];  /* home/sessions */
	char sessions_lock[PATHS_MAX]; /* home/sessions/lock */
	char database[PATHS_MAX];      /* home/sessions/opta.db */
};

/* Fill p from the environment. -EINVAL when no home can be found or a path is relative or too long.
 */
int paths_init(struct paths *p, struct err *reterr);

#endif
