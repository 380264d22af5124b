"""Who a user is and what they may do: tokens, authentication, roles, login throttling."""
