namespace CnnCluster.Trainer;

/// <summary>The user's mistake, or something only the user can put right: an input, a file, an argument. Its message is all there is to show.</summary>
public class UserException(string message, Exception? inner = null) : Exception(message, inner);
