-- Makes the user and the database of Transistor.
\set ON_ERROR_STOP on
\set word `cat @SECRETS@/postgres-transistor`
CREATE ROLE transistor LOGIN PASSWORD :'word';
CREATE DATABASE transistor OWNER transistor;
REVOKE ALL ON DATABASE transistor FROM PUBLIC;
