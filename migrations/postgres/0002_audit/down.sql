DROP TABLE audit;
DROP FUNCTION audit_rows_do_not_change;
