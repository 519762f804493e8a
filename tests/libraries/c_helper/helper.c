/* A C library as plugins bundle them: its code calls a function that every such library calls by the
   same name, and that each defines in its own way. */
int helper(void);

int ask_helper(void) { return helper(); }
