#ifndef STACK_H
#define STACK_H

/* A stack of at most STACK_SIZE numbers. */
enum { STACK_SIZE = 8 };

struct stack {
	int item[STACK_SIZE];
	int count;
};

/* 0, or -1 when it is full. */
int stack_push(struct stack *s, int n);

/* The number pushed last, taken off; the stack must not be empty. */
int stack_pop(struct stack *s);

#endif
