"""A night in a box: two throwaway servers, and an application that keeps writing."""
