DROP TABLE measurement_batches;
DROP TABLE measurement_windows;
