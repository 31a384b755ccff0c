"""The live truth about KATO's sessions; importing it loads no view."""
