DROP TABLE verdicts;
DROP TABLE guard_states;
DROP TABLE canary_log;
DROP TABLE canaries;
