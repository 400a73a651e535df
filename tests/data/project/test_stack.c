#include "stack.h"

#include <stdio.h>

int main(void)
{
	struct stack s = {0};

	stack_push(&s, 1);
	stack_push(&s, 2);
	if (stack_pop(&s) != 2 || stack_pop(&s) != 1 || s.count != 0) {
		puts("FAILED: what was pushed last does not come first");
		return 1;
	}
	puts("all passed");
	return 0;
}
