"""Operations that read for people, and the intake: on a real store with rows that each test writes itself."""
