using CnnCluster.Bench.Report;
using CnnCluster.Bench.Rows;

namespace CnnCluster.Bench;

/// <summary>Measures rows, the sides of each in turn.</summary>
/// <param name="pairs">How often each side of a row is measured; a long row's sides half as often.</param>
/// <param name="at">The same for every side.</param>
/// <param name="python">Measures PyTorch's sides; null leaves them out.</param>
/// <param name="judges">Whether goals are met or missed by it; a measurement that is too short says neither.</param>
/// <param name="say">Takes a line for each row that begins.</param>
internal sealed class Measuring(int pairs, Conditions at, Python? python, bool judges, Action<string> say)
{
    public RowFigures Measure(Row row)
    {
        say(row.Title);
        var sides = row.Sides.Where(side => side != Row.PyTorch || python is not null).ToList();
        var values = sides.ToDictionary(static side => side, static _ => new List<double>(), StringComparer.Ordinal);
        for (var pair = 0; pair < (row.IsLong ? BenchText.OfLongRows(pairs) : pairs); pair++)
        {
            foreach (var side in sides)
            {
                values[side].Add(SideProcess.Measure(row, side, at, python));
            }
        }

        var measured = new RowFigures(
            row.Name, row.Title, row.Unit, row.LessIsBetter, [.. sides.Select(side => new SideFigures(side, values[side]))], []);
        return measured with { Goals = [.. row.Goals.Select(goal => Judge(measured, goal))] };
    }

    private GoalFigures Judge(RowFigures row, Goal goal)
    {
        var reached = goal.Against is null
            ? Median.Of(row.Sides[0].Values)
            : Ratios.Of(row).FirstOrDefault(ratios => ratios.Against == goal.Against)?.Median;
        var met = goal.Against is null && row.LessIsBetter ? reached <= goal.Limit : reached >= goal.Limit;
        return new GoalFigures(goal.Against, goal.Limit, goal.Kind, reached, reached is null || !judges ? null : met);
    }
}
