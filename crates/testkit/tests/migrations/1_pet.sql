CREATE TABLE pet (name text PRIMARY KEY);
