"""nbgrader's settings for a course of these notebooks; lies beside the folder ``source``."""

c = get_config()  # noqa: F821 (nbgrader defines it)

c.CourseDirectory.course_id = "practicals"
c.ClearSolutions.code_stub = {
    "python": "# Your answer, in place of the next line.\nraise NotImplementedError()"
}
# A cell of a study may train a network; a cell that hangs ends all the same.
c.ExecutePreprocessor.timeout = 600
# Notebooks import the package from the environment that nbgrader runs in.
c.ExecutePreprocessor.kernel_name = "python3"
