"""No tables. Django sends post_migrate, which writes the roles, to apps that have this module only."""
