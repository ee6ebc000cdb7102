namespace CnnCluster.Cli;

/// <summary>A result did not reach standard output: the work may be done, but the command has failed.</summary>
internal sealed class OutputException(string message, Exception inner) : IOException(message, inner);
