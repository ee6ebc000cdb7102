using CnnCluster.Dsl;
using Spectre.Console;

namespace CnnCluster.Cli.Output;

/// <summary>Words of the language, as <c>cnn help</c> shows them.</summary>
internal static class HelpOutput
{
    /// <summary>All words, kind by kind.</summary>
    public static void List(IAnsiConsole console, IReadOnlyList<Entry> entries)
    {
        var grid = Columns();
        foreach (var kind in EntryKind.All)
        {
            var words = entries.Where(entry => entry.Kind.Equals(kind)).Select(static entry => entry.Word);
            Row(grid, kind.Plural, string.Join(" ", words));
        }

        console.Write(grid);
        console.WriteLine();
        console.WriteLine("cnn help WORD explains one of them, or an argument such as stride.");
    }

    /// <summary>Every meaning of a word.</summary>
    public static void Show(IAnsiConsole console, IReadOnlyList<Entry> meanings, IReadOnlyList<Reference.ArgumentUse> arguments)
    {
        var first = true;
        foreach (var entry in meanings)
        {
            Separate(console, ref first);
            Show(console, entry);
        }

        foreach (var use in arguments)
        {
            Separate(console, ref first);
            Show(console, use);
        }
    }

    private static void Show(IAnsiConsole console, Entry entry)
    {
        console.MarkupLine($"[bold]{Markup.Escape(entry.Word)}[/]: {Markup.Escape(entry.Kind.Title)}");
        Paragraph(console, entry.Summary);
        var grid = Columns();
        Row(grid, "written", string.Join("\n", entry.Forms));
        Row(grid, "formula", entry.Formula);
        Row(grid, "default", entry.Default);
        Row(grid, "shape", entry.Shape);
        Row(grid, "parameters", entry.Parameters);
        Row(grid, "multiply-adds", entry.Cost);
        Row(grid, "source", entry.Source);
        Row(grid, "example", entry.Example);
        console.Write(grid);
        Arguments(console, entry.Arguments);
        foreach (var note in entry.Notes)
        {
            Paragraph(console, note);
        }
    }

    private static void Show(IAnsiConsole console, Reference.ArgumentUse use)
    {
        var argument = use.Argument;
        var owners = use.Entries.GroupBy(static entry => entry.Kind)
            .Select(static kind => $"{(kind.Count() > 1 ? kind.Key.Plural : kind.Key.Title)} {string.Join(", ", kind.Select(static entry => entry.Word))}");
        console.MarkupLine($"[bold]{Markup.Escape(argument.Name)}[/]: of {Markup.Escape(string.Join("; ", owners))}");
        Paragraph(console, argument.Doc);
        var grid = Columns();
        Row(grid, "takes", argument.Takes);
        Row(grid, "default", argument.Default);
        console.Write(grid);
    }

    private static void Arguments(IAnsiConsole console, IReadOnlyList<EntryArgument> arguments)
    {
        if (arguments.Count == 0) return;
        var table = new Table { Border = TableBorder.Minimal };
        table.AddColumns("Argument", "Takes", "Default", "What it is");
        foreach (var argument in arguments)
        {
            table.AddRow(
                Markup.Escape(argument.Name), Markup.Escape(argument.Takes), Markup.Escape(argument.Default), Markup.Escape(argument.Doc));
        }

        console.Write(table);
    }

    private static Grid Columns() => new Grid()
        .AddColumn(new GridColumn { NoWrap = true, Padding = new Spectre.Console.Padding(2, 0, 2, 0) })
        .AddColumn(new GridColumn { Padding = new Spectre.Console.Padding(0, 0, 0, 0) });

    /// <summary>A title and its text; what does not apply has no row.</summary>
    private static void Row(Grid grid, string title, string text)
    {
        if (text.Length > 0) grid.AddRow(Markup.Escape(title), Markup.Escape(text));
    }

    private static void Paragraph(IAnsiConsole console, string text)
    {
        if (text.Length > 0) console.WriteLine("  " + text);
    }

    private static void Separate(IAnsiConsole console, ref bool first)
    {
        if (!first) console.WriteLine();
        first = false;
    }
}
