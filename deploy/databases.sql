-- Optuna's; it cannot share MLflow's, as both keep a table of the same name there.
CREATE DATABASE tune;
