"""The command line: thin, one file per verb. Nothing heavy is imported until a verb runs."""
