DROP TABLE flag_usage;
