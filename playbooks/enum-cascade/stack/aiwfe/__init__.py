"""The AI Workflow Engine of the incident, small: the API, the worker and their seed data."""
