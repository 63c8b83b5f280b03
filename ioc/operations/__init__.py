"""What people, source systems and jobs may do. Every function takes the Principal first and applies its scope."""
