DROP TABLE flag_references;
