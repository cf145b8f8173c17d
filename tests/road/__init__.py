"""The whole road: notebooks, jobs, Kaggle, kills and planted mistakes."""
