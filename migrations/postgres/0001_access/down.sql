DROP TABLE credentials;
DROP TABLE users;
DROP TABLE environments;
DROP TABLE projects;
DROP TABLE meta;
